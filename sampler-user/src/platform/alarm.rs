// SPDX-License-Identifier: MIT OR Apache-2.0

//! A timer to wait for, as a file that becomes readable.
//!
//! The timers of the tokio runtime would do, but not cheaply: they lie in wheels of 64
//! slots, so that a wait of half a second wakes the thread two or three times, and each
//! new one first writes to a descriptor of the runtime. Between two samples at 10 Hz
//! nothing costs more than waking up.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

/// One timer, used again and again.
pub struct Alarm {
    timer: AsyncFd<Timer>,
}

struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// Creates an alarm in the runtime that the caller is in.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        // SAFETY: the timer owns its file descriptor, always returns that one, and keeps
        // it open until the `AsyncFd` gives it up.
        let timer = unsafe { AsyncFd::register(Timer(timer))? };
        Ok(Self { timer })
    }

    /// Waits for `time`, or less: an earlier wait that was cancelled may end this one.
    pub async fn after(&mut self, time: Duration) {
        // A time of zero would switch the timer off.
        let once = Expiration::OneShot(time.max(Duration::from_nanos(1)).into());
        let timer = &self.timer.get_ref().0;
        // Fails for times that the kernel cannot hold; then there is no wait.
        if timer.set(once, TimerSetTimeFlags::empty()).is_err() {
            return tokio::task::yield_now().await;
        }
        if let Ok(mut guard) = self.timer.readable_mut().await {
            // Setting the timer again clears its expiration, so nobody reads it.
            guard.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().build().expect("a runtime");
        runtime.block_on(test);
    }

    #[test]
    fn it_waits_again_and_again() {
        run(async {
            let mut alarm = Alarm::new().expect("a descriptor");
            for _ in 0..3 {
                let (start, time) = (Instant::now(), Duration::from_millis(20));
                alarm.after(time).await;
                assert!(start.elapsed() >= time, "{:?}", start.elapsed());
            }
        });
    }

    #[test]
    fn no_time_is_not_for_ever() {
        run(async {
            let mut alarm = Alarm::new().expect("a descriptor");
            alarm.after(Duration::ZERO).await;
            alarm.after(Duration::MAX).await;
        });
    }

    #[test]
    fn a_wait_can_be_given_up() {
        run(async {
            let mut alarm = Alarm::new().expect("a descriptor");
            tokio::select! {
                () = alarm.after(Duration::from_secs(3600)) => panic!("too early"),
                () = tokio::task::yield_now() => {}
            }
            let start = Instant::now();
            alarm.after(Duration::from_millis(1)).await;
            assert!(start.elapsed() < Duration::from_secs(3600));
        });
    }
}
