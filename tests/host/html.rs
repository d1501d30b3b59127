// SPDX-License-Identifier: MIT OR Apache-2.0

//! The page that shows a trace: the trace in it comes back unchanged, and no
//! text of the trace is markup.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sampler_trace::container::info::Mode;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::html::{VIEWER, write_live_page};
use sampler_trace::formats::sink::{RowOrder, Shape};
use sampler_trace::query::view::TraceView;

use crate::golden::json;
use crate::sample_trace::trace;

/// The maximum compressed size of the page, in bytes: 64 KiB.
const BUDGET: usize = 64 * 1024;
const BEFORE: &str = "<template id=\"trace\">";

fn page(trace: &Trace) -> String {
    let mut bytes = Vec::new();
    write_view(
        &TraceView::whole(trace),
        Format::Html,
        Shape::default(),
        &mut bytes,
    )
    .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns the container in a page, encoded as it is there.
fn payload(page: &str) -> &str {
    let (_, rest) = page.rsplit_once(BEFORE).unwrap();
    rest.split_once("</template>").unwrap().0
}

#[test]
fn the_trace_comes_back_from_the_page() {
    for mode in [Mode::Cpu, Mode::Wall] {
        let trace = trace(mode);
        let page = page(&trace);
        let container = STANDARD.decode(payload(&page)).unwrap();
        let read = Trace::read(container.as_slice()).unwrap();
        assert!(read.torn.is_none());
        assert_eq!(
            json(&read, RowOrder::Thread),
            json(&trace, RowOrder::Thread)
        );
    }
}

#[test]
fn nothing_of_a_trace_is_markup() {
    let page = page(&trace(Mode::Wall));
    let payload = payload(&page);
    assert!(
        payload
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    );
    // Everything else is the viewer as it was built.
    let rest = page.replacen(&format!("{BEFORE}{payload}</template>"), "<!--trace-->", 1);
    assert_eq!(rest, VIEWER);
}

#[test]
fn the_page_is_small_and_locks_itself_in() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(VIEWER.as_bytes()).unwrap();
    let packed = packer.finish().unwrap().len();
    assert!(packed <= BUDGET, "{packed} bytes");
    assert_eq!(VIEWER.matches("<!--trace-->").count(), 1);
    for rule in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(VIEWER.contains(rule), "{rule}");
    }
    for word in [
        "innerHTML",
        "insertAdjacentHTML",
        "eval(",
        "fetch(",
        "unsafe-inline",
    ] {
        assert!(!VIEWER.contains(word), "{word}");
    }
    // The page of a server asks in one place, which the policy of a file's page closes.
    assert_eq!(VIEWER.matches("fetch").count(), 1);
    assert!(!VIEWER.contains("connect-src"));
    assert!(!VIEWER.contains("<meta name=\"pyebpf-live\""));
}

#[test]
fn the_page_of_a_server_may_ask_its_own_server_and_nobody_else() {
    let mut bytes = Vec::new();
    write_live_page(&mut bytes).unwrap();
    let live = String::from_utf8(bytes).unwrap();
    assert_eq!(live.matches("<meta name=\"pyebpf-live\"").count(), 1);
    assert_eq!(live.matches("connect-src").count(), 1);
    let (_, policy) = live
        .split_once("http-equiv=\"Content-Security-Policy\" content=\"")
        .unwrap();
    let (policy, _) = policy.split_once('"').unwrap();
    assert!(policy.starts_with("default-src 'none'; connect-src 'self'; script-src 'sha256-"));
    // Nothing else differs, so the hashes of the policy are right for it too.
    let plain = live
        .replacen(
            "<meta name=\"pyebpf-live\" content=\"1\">",
            "<!--live-->",
            1,
        )
        .replacen(" connect-src 'self';", "", 1);
    assert_eq!(plain, VIEWER);
}
