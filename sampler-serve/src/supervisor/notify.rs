// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service manager is told (`sd_notify(3)`), if there is one.

use std::time::Duration;

use sd_notify::NotifyState;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Recorder and front are both ready.
    Ready,
    /// The configuration is being read again.
    Reloading,
    /// The server ends.
    Stopping,
    /// Recorder and front were both alive just now.
    Alive,
}

/// Notifies the service manager, if there is one.
pub(super) fn notify(news: News) {
    let states = match news {
        News::Ready => vec![NotifyState::Ready],
        News::Reloading => {
            // `Type=notify-reload` wants to know since when.
            let since = NotifyState::monotonic_usec_now().ok();
            std::iter::once(NotifyState::Reloading)
                .chain(since)
                .collect()
        }
        News::Stopping => vec![NotifyState::Stopping],
        News::Alive => vec![NotifyState::Watchdog],
    };
    // Nobody would act on an error.
    sd_notify::notify(&states).ok();
}

/// Returns how often the service manager wants to hear that the server is alive; half of
/// the time after which it would end it.
pub(super) fn alive_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 2)
}
