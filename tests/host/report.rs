// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `pyebpf report` prints for the sample trace, and for traces made for
//! one case each.

use sampler_trace::analysis::Analysis;
use sampler_trace::analysis::compare::Comparison;
use sampler_trace::container::info::Mode;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::frames::FrameSelection;
use sampler_trace::convert::selection::Selection;
use sampler_trace::formats::folded::read::read_folded_bytes;
use sampler_trace::model::row::State;
use sampler_trace::query::view::TraceView;

use crate::golden::check;
use crate::sample_trace::trace;

fn analysis(trace: &Trace) -> Analysis {
    Analysis::new(&TraceView::whole(trace))
}

fn folded(text: &str) -> Analysis {
    analysis(&read_folded_bytes(text.as_bytes()).unwrap())
}

/// Returns the own time, the total time, and the total time with the base, in
/// microseconds.
fn times(analysis: &Analysis, function: &str) -> (u64, u64, u64) {
    let mut found = analysis.functions.iter();
    let found = found.find(|of| of.place.function == function).unwrap();
    (found.own_us, found.total_us, found.with_base_us)
}

#[test]
fn the_text_of_a_report() {
    let text = analysis(&trace(Mode::Wall)).report(20).to_string();
    check("wall.report.txt", text.as_bytes());
}

#[test]
fn the_document_of_a_report() {
    let json = analysis(&trace(Mode::Wall)).to_json().unwrap();
    check("wall.report.json", json.as_bytes());
}

#[test]
fn two_traces_compared() {
    let (before, after) = (analysis(&trace(Mode::Cpu)), analysis(&trace(Mode::Wall)));
    let comparison = Comparison::new(&before, &after);
    check("compared.txt", comparison.report(20).to_string().as_bytes());
    check("compared.json", comparison.to_json().unwrap().as_bytes());
}

#[test]
fn every_microsecond_is_in_one_function() {
    for mode in [Mode::Cpu, Mode::Wall] {
        let analysis = analysis(&trace(mode));
        let own: u64 = analysis.functions.iter().map(|of| of.own_us).sum();
        let by_process: u64 = analysis.processes.iter().map(|of| of.times.total()).sum();
        assert_eq!(own, analysis.times.total());
        assert_eq!(by_process, analysis.times.total());
    }
}

#[test]
fn a_recursive_function_counts_once() {
    let analysis = folded("main;walk;walk;walk 30\nmain;walk;read 10\nmain 60\n");
    assert_eq!(times(&analysis, "walk"), (30, 40, 40));
    assert_eq!(times(&analysis, "main"), (60, 100, 100));
}

#[test]
fn the_common_base_is_folded_away() {
    let analysis = folded("boot;run;a 50\nboot;run;b;run 48\nboot;other 2\n");
    let base: Vec<_> = analysis.processes[0].threads[0].base.iter().collect();
    let names: Vec<_> = base.iter().map(|place| place.function.as_str()).collect();
    assert_eq!(names, ["boot", "run"]);
    assert_eq!(times(&analysis, "boot"), (0, 0, 100));
    // It is in the base, and again above the base.
    assert_eq!(times(&analysis, "run"), (48, 48, 98));
    assert_eq!(times(&analysis, "other"), (2, 2, 2));
}

#[test]
fn where_the_time_was_spent_is_no_base() {
    let analysis = folded("boot;spin 100\n");
    let base = &analysis.processes[0].threads[0].base;
    assert_eq!(base.len(), 1);
    assert_eq!(base[0].function, "boot");
    let path: Vec<_> = analysis.heaviest.iter().map(|step| step.total_us).collect();
    assert_eq!(path, [100, 100]);
}

#[test]
fn a_part_is_reported_by_itself() {
    let trace = trace(Mode::Wall);
    let step = Selection {
        frames: FrameSelection {
            function: Some("^step$".parse().unwrap()),
            module: Some(r"^srv\.app$".parse().unwrap()),
            file: None,
        },
        ..Selection::default()
    };
    let all = Analysis::new(&step.of(&trace).unwrap());
    assert_eq!(all.times.total(), 2_550_000);
    assert_eq!(all.times.in_state(State::WaitingForGil), 1_500_000);
    let running = Selection {
        mode: Some(Mode::Cpu),
        ..step
    };
    let running = Analysis::new(&running.of(&trace).unwrap());
    assert_eq!(running.times.total(), 900_000);
    assert_eq!(running.recording.mode, "cpu");
}

#[test]
fn no_name_moves_the_cursor() {
    let hostile = "process 1:\"a\u{202e}b\";thread (1): \"\u{1b}[2J\";f\r\u{85} (x\u{7}.py:1) 5\n";
    let text = folded(hostile).report(20).to_string();
    let harmless = |letter: char| letter == '\n' || !letter.is_control();
    assert!(text.chars().all(harmless), "{text:?}");
    assert!(!text.contains('\u{202e}'));
}
