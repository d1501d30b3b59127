// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts a snapshot on the screen, from 60 columns on.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, TableState};
use sampler_trace::model::row::State;

use crate::keys;
use crate::tables::{FrameRow, States, Times};
use crate::view::{Order, Snapshot, Tab, View};

/// The colour of a state, the same as on the page.
const fn color(state: State) -> Color {
    match state {
        State::Running => Color::Green,
        State::Runnable | State::WaitingForGil => Color::Yellow,
        State::Lock | State::PageFault | State::Stopped => Color::Red,
        State::Io => Color::Blue,
        State::Sleeping | State::Waiting | State::None => Color::DarkGray,
    }
}

/// The letter of a state, for those who cannot see its colour.
pub(crate) const fn letter(state: State) -> char {
    match state {
        State::Running => 'R',
        State::Runnable => 'r',
        State::WaitingForGil => 'G',
        State::Lock => 'L',
        State::Io => 'I',
        State::Sleeping => 'S',
        State::Stopped => 'T',
        State::PageFault => 'F',
        State::Waiting => 'W',
        State::None => ' ',
    }
}

/// The columns of the bar of states.
const BAR: u16 = 20;
/// The same of a thread, which has one where the screen has room for it.
const THREAD_BAR: u16 = 10;
const WIDE: u16 = 100;

/// Draws the screen. `status` is a message for the last line: the connection, an error.
pub fn draw(frame: &mut Frame<'_>, view: &View, shown: &Snapshot, status: &str) {
    let open = u16::from(shown.stack.is_some());
    let areas: [Rect; 4] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(3),
        Constraint::Percentage(45 * open),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [head, table, stack, foot] = areas;
    frame.render_widget(Paragraph::new(heading(view, shown)), head);
    draw_table(frame, table, view, shown);
    if let Some(of) = &shown.stack {
        draw_stack(frame, stack, &of.title, &of.frames);
    }
    frame.render_widget(Paragraph::new(footer(view, status)), foot);
    if view.shows_help {
        draw_keys(frame);
    }
}

fn heading(view: &View, shown: &Snapshot) -> Vec<Line<'static>> {
    let seconds = shown.seen.as_secs_f64();
    let cpus = if seconds > 0.0 {
        in_seconds(shown.all.running) / seconds
    } else {
        0.0
    };
    let subject = match &shown.process {
        Some(process) => format!("{} on {}", process, shown.host),
        None => shown.host.clone(),
    };
    let mut first = vec![
        "pyebpf top".bold(),
        Span::raw(format!(
            "  {subject}  {} Hz, {}  last {seconds:.0} s: {:.0} % of a CPU",
            shown.hz,
            shown.mode.name(),
            100.0 * cpus
        )),
    ];
    if view.is_frozen {
        first.push(Span::raw("  "));
        first.push(" frozen ".reversed());
    }
    let mut second = Vec::new();
    for (number, tab) in (1..).zip(Tab::ALL) {
        let text = format!(" {number} {} ", tab.name());
        second.push(if tab == view.tab {
            text.reversed()
        } else {
            Span::raw(text)
        });
    }
    let order = view.order.name(view.tab);
    let counts = match (view.tab, view.with_waiting) {
        (Tab::Functions, true) if view.order != Order::Name => ", running and waiting",
        (Tab::Functions, false) if view.order != Order::Name => " on a CPU",
        _ => "",
    };
    second.push(Span::raw(format!("  by {order}{counts}")));
    vec![Line::from(first), Line::from(second)]
}

fn footer(view: &View, status: &str) -> Line<'static> {
    if view.is_typing || !view.filter.is_empty() {
        let cursor = if view.is_typing { "_" } else { "" };
        let note = view.filter_error.as_deref().unwrap_or(status);
        let text = format!(
            "/{}{cursor}  {note}",
            sampler_trace::escape::escape_for_terminal(&view.filter)
        );
        return Line::from(text);
    }
    if !status.is_empty() {
        return Line::from(status.to_owned().yellow());
    }
    let keys = "? keys  Tab table  Enter open  s sort  w waits  / filter  Space freeze  q quit";
    Line::from(keys.dark_gray())
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, view: &View, shown: &Snapshot) {
    let counted = |times: Times| times.counted(view.with_waiting);
    let of_all = |times: Times| percent(counted(times), counted(shown.all));
    let (header, widths, rows): (Vec<&str>, Vec<Constraint>, Vec<Row<'_>>) = match view.tab {
        Tab::Functions => {
            let rows = shown.functions.iter().map(|row| {
                Row::new([
                    Cell::from(of_all(row.own)),
                    Cell::from(of_all(row.total)),
                    Cell::from(Line::from(seconds(counted(row.own))).right_aligned()),
                    Cell::from(row.name.as_str()),
                    Cell::from(tail(&row.file, file_width(area)).dark_gray()),
                ])
            });
            let widths = vec![
                Constraint::Length(6),
                Constraint::Length(6),
                Constraint::Length(7),
                Constraint::Fill(1),
                Constraint::Length(file_width(area)),
            ];
            (
                vec!["   own", " total", "seconds", "function", "file"],
                widths,
                rows.collect(),
            )
        }
        Tab::Processes => {
            let rows = shown.processes.iter().map(|row| {
                Row::new([
                    Cell::from(Line::from(row.pid.to_string()).right_aligned()),
                    Cell::from(of_cpu(row.times.running, shown.seen)),
                    Cell::from(Line::from(row.threads.to_string()).right_aligned()),
                    Cell::from(states_bar(&row.states, BAR)),
                    Cell::from(row.name.as_str()),
                    Cell::from(row.python.as_str().dark_gray()),
                ])
            });
            let widths = vec![
                Constraint::Length(7),
                Constraint::Length(6),
                Constraint::Length(7),
                Constraint::Length(BAR),
                Constraint::Fill(1),
                Constraint::Length(9),
            ];
            (
                vec![
                    "    pid", "   CPU", "threads", "states", "process", "Python",
                ],
                widths,
                rows.collect(),
            )
        }
        Tab::Threads => {
            let bar = if area.width < WIDE { 0 } else { THREAD_BAR };
            let rows = shown.threads.iter().map(|row| {
                Row::new([
                    Cell::from(Line::from(row.tid.to_string()).right_aligned()),
                    Cell::from(of_cpu(row.times.running, shown.seen)),
                    Cell::from(row.state.name().fg(color(row.state))),
                    Cell::from(states_bar(&row.states, bar)),
                    Cell::from(row.name.as_str()),
                    Cell::from(row.place.as_str()),
                ])
            });
            let widths = vec![
                Constraint::Length(7),
                Constraint::Length(6),
                Constraint::Length(15),
                Constraint::Length(bar),
                Constraint::Fill(1),
                Constraint::Fill(1),
            ];
            (
                vec!["    tid", "   CPU", "state", "states", "thread", "now in"],
                widths,
                rows.collect(),
            )
        }
    };
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(nothing(view)).dark_gray(), area);
        return;
    }
    let header = Row::new(header).style(Style::new().add_modifier(Modifier::UNDERLINED));
    let table = Table::new(rows, widths)
        .header(header)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(Some(view.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_stack(frame: &mut Frame<'_>, area: Rect, title: &str, frames: &[FrameRow]) {
    let block = Block::default()
        .borders(Borders::TOP)
        .title(format!(" {title} "));
    // The innermost frames matter most, so they stay if there is too little room.
    let room = usize::from(area.height.saturating_sub(1));
    let hidden = frames.len().saturating_sub(room);
    let lines = frames.iter().skip(hidden).map(|row| {
        Line::from(vec![
            Span::raw(row.place.clone()),
            Span::raw("  "),
            row.source.clone().dark_gray(),
        ])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn draw_keys(frame: &mut Frame<'_>) {
    let keys = keys::LIST.iter().map(|(key, what)| {
        Line::from(vec![
            format!(" {key:<14}").bold(),
            Span::raw(format!("{what} ")),
        ])
    });
    let letters = State::ALL.chunks(4).map(|states| {
        let states = states.iter().filter(|state| **state != State::None);
        let name = |state: &State| {
            let text = format!(" {} {:<12}", letter(*state), state.name());
            text.fg(color(*state))
        };
        Line::from(states.map(name).collect::<Vec<_>>())
    });
    let lines: Vec<_> = keys.chain(letters).collect();
    let whole = frame.area();
    let height = u16::try_from(lines.len() + 2)
        .unwrap_or(u16::MAX)
        .min(whole.height);
    let width = 64.min(whole.width);
    let area = Rect::new(
        (whole.width - width) / 2,
        (whole.height - height) / 2,
        width,
        height,
    );
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Says why a table is empty.
fn nothing(view: &View) -> &'static str {
    match (view.tab, view.with_waiting) {
        _ if !view.filter.is_empty() => "No row matches the filter. Esc clears it.",
        (Tab::Functions, false) => "No Python code ran on a CPU. w counts waiting time too.",
        _ => "No sample of a Python thread has arrived yet.",
    }
}

/// A bar of this many cells, with the letters and colours of the states.
fn states_bar(states: &States, cells: u16) -> Line<'static> {
    let all = states
        .values()
        .fold(0_u64, |sum, time| sum.saturating_add(*time));
    let (mut spans, mut done, mut sum) = (Vec::new(), 0, 0_u64);
    for (state, time) in states {
        sum = sum.saturating_add(*time);
        // Rounded, so that no cell belongs to two states or to none.
        let until =
            (u128::from(sum) * u128::from(cells) + u128::from(all / 2)) / u128::from(all.max(1));
        let until = usize::try_from(until).unwrap_or(usize::MAX);
        let letters = letter(*state)
            .to_string()
            .repeat(until.saturating_sub(done));
        spans.push(letters.fg(color(*state)));
        done = until.max(done);
    }
    Line::from(spans)
}

/// The width of a file's name, in columns.
fn file_width(area: Rect) -> u16 {
    (area.width / 3).min(40)
}

/// The end of a text that is too long, which tells more of a path than its beginning.
fn tail(text: &str, width: u16) -> String {
    let width = usize::from(width);
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let end = text.chars().skip(length + 1 - width.max(1));
    std::iter::once('…').chain(end).collect()
}

fn in_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn seconds(nanoseconds: u64) -> String {
    format!("{:.2}", in_seconds(nanoseconds))
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:5.1}%", 100.0 * part as f64 / whole.max(1) as f64)
}

fn of_cpu(running: u64, seen: Duration) -> String {
    let seen = seen.as_secs_f64();
    let share = if seen > 0.0 {
        in_seconds(running) / seen
    } else {
        0.0
    };
    format!("{:5.1}%", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::tables::FunctionRow;
    use crate::view::{Action, OpenStack};

    fn shown() -> Snapshot {
        let function = |name: &str, file: &str, own, total| FunctionRow {
            function: Default::default(),
            name: name.into(),
            file: file.into(),
            own: Times {
                running: own,
                waiting: 0,
            },
            total: Times {
                running: total,
                waiting: 0,
            },
        };
        Snapshot {
            host: "web01".into(),
            hz: 10,
            seen: Duration::from_secs(10),
            functions: vec![
                function(
                    "parse",
                    "/srv/app/very/deep/below/everything/json_reader.py",
                    6_000_000_000,
                    8_000_000_000,
                ),
                function("handle", "/srv/app/views.py", 2_000_000_000, 8_000_000_000),
            ],
            all: Times {
                running: 8_000_000_000,
                waiting: 0,
            },
            ..Snapshot::default()
        }
    }

    fn lines(view: &View, shown: &Snapshot, width: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, 16)).expect("a terminal");
        terminal
            .draw(|frame| draw(frame, view, shown, ""))
            .expect("drawn");
        let buffer = terminal.backend().buffer();
        let line = |row: u16| {
            (0..width)
                .map(|column| buffer[(column, row)].symbol())
                .collect()
        };
        (0..16).map(line).collect()
    }

    #[test]
    fn eighty_columns_answer_the_question() {
        let lines = lines(&View::default(), &shown(), 80);
        assert!(lines[0].starts_with("pyebpf top  web01  10 Hz, cpu  last 10 s: 80 % of a CPU"));
        assert!(
            lines[3].starts_with(" 75.0% 100.0%    6.00 parse"),
            "{}",
            lines[3]
        );
        assert!(
            lines[3].trim_end().ends_with("json_reader.py"),
            "{}",
            lines[3]
        );
        assert!(lines[15].starts_with("? keys"), "{}", lines[15]);
    }

    #[test]
    fn every_table_fits_into_any_terminal() {
        for width in [1, 20, 60, 80, 200] {
            let mut view = View::default();
            view.act(Action::Help);
            for tab in Tab::ALL {
                view.act(Action::Show(tab));
                lines(&view, &shown(), width);
            }
        }
    }

    #[test]
    fn the_innermost_frames_of_a_stack_stay() {
        let mut shown = shown();
        let frame = |number: u32| FrameRow {
            place: format!("f{number}"),
            source: String::new(),
        };
        shown.stack = Some(OpenStack {
            title: "parse".into(),
            frames: (0..50).map(frame).collect(),
        });
        let lines = lines(&View::default(), &shown, 80);
        assert!(lines[14].starts_with("f49"), "{lines:?}");
    }
}
