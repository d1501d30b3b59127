//! Tells from the kernel side's count of lost news of processes when the table of
//! processes must be compared with what runs. It refuses to compare.

/// The count at the last look.
#[derive(Default)]
pub(super) struct LostNews {
    count: u64,
    /// Some were lost before that look.
    is_doubtful: bool,
}

impl LostNews {
    /// Whether to compare, now that so many were lost in all: when there are more,
    /// and once again at the next look, since they may have been lost while it was
    /// compared.
    pub(super) fn look(&mut self, count: u64) -> bool {
        let was_doubtful = self.is_doubtful;
        self.is_doubtful = count > self.count;
        self.count = count;
        self.is_doubtful || was_doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_once_more_after_the_last_loss() {
        let mut news = LostNews::default();
        let looks = [0, 3, 3, 3, 4, 9, 9, 9].map(|count| news.look(count));
        assert_eq!(looks, [false, true, true, false, true, true, true, false]);
    }
}
