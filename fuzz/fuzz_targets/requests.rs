// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes as the parts of a request that come from the network: its query, its
//! times, its body, the headers that decide who is let in, and the path. What is accepted
//! keeps what it has to keep.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_serve::front::authorization::{Tokens, secret};
use sampler_serve::front::origin::{parse_authority, parse_origin};
use sampler_serve::front::query::Query;
use sampler_serve::front::request_body::parse;
use sampler_serve::front::routes::find;
use sampler_serve::front::times::{Range, duration, moment};
use sampler_serve::protocol::command::{NewMark, StartRecording};
use sampler_serve::protocol::message::FromRecorder;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (part, bytes) = input;
    let text = String::from_utf8_lossy(&bytes);
    match part % 8 {
        0 => read_query(&text),
        1 => {
            let _ = duration("last", &text);
            let _ = moment("from", &text);
        }
        2 => {
            let _ = parse::<StartRecording>(&bytes);
            let _ = parse::<NewMark>(&bytes);
        }
        3 => {
            let tokens = Tokens::from_lines("0123456789abcdef").expect("a token");
            let is_token = secret(&bytes).is_some_and(|secret| secret == b"0123456789abcdef");
            assert_eq!(tokens.accept(&bytes), is_token);
        }
        4 => {
            for authority in [parse_authority(&text), parse_origin(&text)].into_iter().flatten() {
                assert!(!authority.host.is_empty());
                assert!(!authority.host.bytes().any(|byte| byte.is_ascii_uppercase()));
            }
        }
        5 => {
            let _ = Tokens::from_lines(&text);
        }
        6 => {
            let _ = find(&hyper::Method::GET, &text);
        }
        _ => {
            let _ = serde_json::from_slice::<FromRecorder>(&bytes);
        }
    }
});

fn read_query(text: &str) {
    let Ok(mut query) = Query::parse(text) else {
        return;
    };
    if let Ok(Range {
        from_us: Some(from),
        to_us: Some(to),
    }) = Range::take(&mut query.clone(), 1_000_000)
    {
        assert!(from < to);
    }
    let _ = query.numbers::<u32>("pid");
    let _ = query.flag("follow");
    // No regular expression: the limits of its crate are tested there.
    let _ = query.one("format");
    let _ = query.finish();
}
