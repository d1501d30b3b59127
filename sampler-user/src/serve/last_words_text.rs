// SPDX-License-Identifier: MIT OR Apache-2.0

//! Says of a process which signal ended it, and who sent that.

use sampler_common::signal::{SIGABRT, SIGKILL, SIGSEGV, SignalOrigin};

use crate::record::last_words::{Death, Sender};

/// Returns a sentence about the end of the process called `name`.
pub(super) fn sentence(name: &str, death: &Death) -> String {
    let signal = signal_name(death.signal);
    match &death.sender {
        None => format!("{name} was ended by {signal}"),
        Some(Sender { origin, tgid, comm }) => {
            let comm = comm.replace(char::is_control, " ");
            let sender = match tgid {
                0 => format!("a process outside of this pid namespace ({comm})"),
                tgid => format!("process {tgid} ({comm})"),
            };
            match origin {
                SignalOrigin::OutOfMemory => format!(
                    "{name} was killed because memory ran out, when {sender} asked for more"
                ),
                SignalOrigin::Kernel if *tgid == death.tgid => {
                    format!("{name} was ended by {signal}, for what it did itself ({comm})")
                }
                SignalOrigin::Kernel => {
                    format!("{name} was ended by {signal}, which the kernel sent for {sender}")
                }
                SignalOrigin::Process if *tgid == death.tgid => {
                    format!("{name} was ended by {signal}, which it sent to itself ({comm})")
                }
                SignalOrigin::Process => {
                    format!("{name} was ended by {signal}, which {sender} sent")
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
            ("app.py was ended by SIGKILL", SIGKILL, None),
            (
                "app.py was ended by SIGKILL, which process 7 (sh ) sent",
                SIGKILL,
                Some((SignalOrigin::Process, 7)),
            ),
            (
                "app.py was ended by SIGABRT, which it sent to itself (sh )",
                SIGABRT,
                Some((SignalOrigin::Process, 812)),
            ),
            (
                "app.py was ended by SIGSEGV, for what it did itself (sh )",
                SIGSEGV,
                Some((SignalOrigin::Kernel, 812)),
            ),
            (
                "app.py was killed because memory ran out, when process 9 (sh ) asked for more",
                SIGKILL,
                Some((SignalOrigin::OutOfMemory, 9)),
            ),
            (
                "app.py was ended by SIGKILL, which a process outside of this pid namespace \
                 (sh ) sent",
                SIGKILL,
                Some((SignalOrigin::Process, 0)),
            ),
        ] {
            assert_eq!(said(signal, sender), text);
        }
    }
}
