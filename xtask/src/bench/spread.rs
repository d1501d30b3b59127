//! Repetitions of one measurement, summed up without a guess at how they are
//! distributed. It refuses to know what was measured.

use serde_json::{Value, json};

/// The values of all repetitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    values: Vec<f64>,
}

impl Spread {
    /// Adds one repetition's value.
    pub(super) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Median, least and greatest, and every value in the order measured.
    pub(super) fn to_json(&self) -> Value {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        json!({
            "median": median(&sorted),
            "min": sorted.first(),
            "max": sorted.last(),
            "values": self.values,
        })
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = sorted.get(sorted.len() / 2 - 1)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let mut spread = Spread::default();
        for value in [3.0, 1000.0, 1.0, 2.0] {
            spread.add(value);
        }
        let json = spread.to_json();
        assert_eq!(json["median"], 2.5);
        assert_eq!(json["min"], 1.0);
        assert_eq!(json["max"], 1000.0);
        assert_eq!(json["values"][1], 1000.0);
    }

    #[test]
    fn nothing_measured_is_not_zero() {
        assert!(Spread::default().to_json()["median"].is_null());
    }
}
