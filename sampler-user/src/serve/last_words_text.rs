// SPDX-License-Identifier: MIT OR Apache-2.0

//! Describes the end of a process: by which signal, and who sent it.

use sampler_common::signal::{SIGABRT, SIGKILL, SIGSEGV, SignalOrigin};

use crate::record::last_words::{Death, Sender};

/// Returns a sentence about the end of the process called `name`.
pub(super) fn sentence(name: &str, death: &Death) -> String {
    let signal = signal_name(death.signal);
    match &death.sender {
        None => format!("{name} was killed by {signal}"),
        Some(Sender { origin, tgid, comm }) => {
            let comm = comm.replace(char::is_control, " ");
            let sender = match tgid {
                0 => format!("a process outside of this pid namespace ({comm})"),
                tgid => format!("process {tgid} ({comm})"),
            };
            match origin {
                SignalOrigin::OutOfMemory => {
                    format!("{name} was killed: out of memory when {sender} asked for more")
                }
                SignalOrigin::Kernel if *tgid == death.tgid => {
                    format!("{name} was killed by {signal}, which it caused itself (thread {comm})")
                }
                SignalOrigin::Kernel => {
                    format!(
                        "{name} was killed by {signal}, sent by the kernel on behalf of {sender}"
                    )
                }
                SignalOrigin::Process if *tgid == death.tgid => {
                    format!("{name} was killed by {signal}, which it sent itself (thread {comm})")
                }
                SignalOrigin::Process => {
                    format!("{name} was killed by {signal} from {sender}")
                }
            }
        }
    }
}

/// Returns the name of a signal.
pub(super) fn signal_name(signal: u32) -> &'static str {
    match signal {
        SIGABRT => "SIGABRT",
        SIGKILL => "SIGKILL",
        SIGSEGV => "SIGSEGV",
        _ => "a signal",
    }
}

#[cfg(test)]
mod tests {
    use sampler_common::process::ProcessKey;

    use super::*;

    #[test]
    fn the_sender_is_named_in_every_case() {
        let said = |signal, sender: Option<(SignalOrigin, u32)>| {
            let sender = sender.map(|(origin, tgid)| Sender {
                origin,
                tgid,
                comm: "sh\n".into(),
            });
            let death = Death {
                process: ProcessKey(1),
                tgid: 812,
                signal,
                sender,
                threads: vec![],
            };
            sentence("app.py", &death)
        };
        for (text, signal, sender) in [
            ("app.py was killed by SIGKILL", SIGKILL, None),
            (
                "app.py was killed by SIGKILL from process 7 (sh )",
                SIGKILL,
                Some((SignalOrigin::Process, 7)),
            ),
            (
                "app.py was killed by SIGABRT, which it sent itself (thread sh )",
                SIGABRT,
                Some((SignalOrigin::Process, 812)),
            ),
            (
                "app.py was killed by SIGSEGV, which it caused itself (thread sh )",
                SIGSEGV,
                Some((SignalOrigin::Kernel, 812)),
            ),
            (
                "app.py was killed: out of memory when process 9 (sh ) asked for more",
                SIGKILL,
                Some((SignalOrigin::OutOfMemory, 9)),
            ),
            (
                "app.py was killed by SIGKILL from a process outside of this pid namespace \
                 (sh )",
                SIGKILL,
                Some((SignalOrigin::Process, 0)),
            ),
        ] {
            assert_eq!(said(signal, sender), text);
        }
    }
}
