// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the user has chosen: a table, its order, a filter, a row, whether the screen
//! stands still, and whether the stack of the row is open.

use std::time::Duration;

use regex::{Regex, RegexBuilder};
use sampler_trace::container::info::{Mode, TraceInfo};
use sampler_trace::escape::escape_for_terminal;
use sampler_trace::model::identifiers::{ProcessIndex, StackId, TrackId};
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::tables::{
    self, FrameRow, Function, FunctionRow, ProcessRow, ThreadRow, Times, heaviest_stack,
};
use crate::window::SlidingWindow;

/// A table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The busiest functions.
    #[default]
    Functions,
    /// The busiest processes.
    Processes,
    /// The threads with their states.
    Threads,
}

impl Tab {
    /// All tables, in the order of the screen.
    pub const ALL: [Self; 3] = [Self::Functions, Self::Processes, Self::Threads];

    /// Returns its name on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Functions => "Functions",
            Self::Processes => "Processes",
            Self::Threads => "Threads",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Functions => Self::Processes,
            Self::Processes => Self::Threads,
            Self::Threads => Self::Functions,
        }
    }
}

/// The order of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time: of functions by their own, of others by that on a CPU.
    #[default]
    Own,
    /// By all time: of functions with what they call, of others with waiting.
    Total,
    /// By name.
    Name,
}

impl Order {
    /// Returns its name on the screen.
    #[must_use]
    pub const fn name(self, tab: Tab) -> &'static str {
        match (self, tab) {
            (Self::Own, Tab::Functions) => "own time",
            (Self::Total, Tab::Functions) => "total time",
            (Self::Own, Tab::Processes | Tab::Threads) => "CPU time",
            (Self::Total, Tab::Processes | Tab::Threads) => "running and waiting time",
            (Self::Name, _) => "name",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Own => Self::Total,
            Self::Total => Self::Name,
            Self::Name => Self::Own,
        }
    }
}

/// What a row is about, wherever it is in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKey {
    Function(Function),
    Process(ProcessIndex),
    Thread(TrackId),
}

/// An action of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Quit.
    Quit,
    /// Show another table.
    Show(Tab),
    /// Show the next table.
    NextTab,
    /// Use the next order.
    NextOrder,
    /// Count waiting time too, or not.
    CountWaiting,
    /// Freeze the screen, or continue.
    Freeze,
    /// Move the selection by this many rows.
    Move(isize),
    /// Open or close the stack of the selected row; of a process, show its threads.
    Open,
    /// Close what is open: the stack, the filter, the process.
    Close,
    /// Begin to type a filter.
    BeginFilter,
    /// Type a character of the filter.
    Type(char),
    /// Delete the last character of the filter.
    Erase,
    /// Keep the filter.
    EndFilter,
    /// Show or hide the keys.
    Help,
}

/// What a screen shows of the trace: everything of it is safe for a terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The host.
    pub host: String,
    /// Samples a second on each CPU.
    pub hz: u32,
    /// What is sampled.
    pub mode: Mode,
    /// How long the window is.
    pub seen: Duration,
    /// The functions, sorted and filtered.
    pub functions: Vec<FunctionRow>,
    /// The processes, likewise.
    pub processes: Vec<ProcessRow>,
    /// The threads, likewise.
    pub threads: Vec<ThreadRow>,
    /// The only process that is shown, if one was chosen.
    pub process: Option<String>,
    /// All times of the window, of that process or of all.
    pub all: Times,
    /// The stack of the selected row, if it is open.
    pub stack: Option<OpenStack>,
}

/// A stack that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStack {
    /// What it belongs to.
    pub title: String,
    /// Its frames, outermost first.
    pub frames: Vec<FrameRow>,
}

/// What the user has chosen.
#[derive(Debug, Default)]
pub struct View {
    /// The table.
    pub tab: Tab,
    /// Its order.
    pub order: Order,
    /// Whether waiting time counts.
    pub with_waiting: bool,
    /// Whether the screen is frozen.
    pub is_frozen: bool,
    /// Whether the keys are shown.
    pub shows_help: bool,
    /// The selected row.
    pub selected: usize,
    /// The filter as it was typed.
    pub filter: String,
    /// Whether a filter is being typed.
    pub is_typing: bool,
    /// What is wrong with the filter, if anything.
    pub filter_error: Option<String>,
    is_open: bool,
    pattern: Option<Regex>,
    /// The only process whose functions and threads are shown.
    process: Option<ProcessIndex>,
    /// What the selected row is about, as of the last snapshot.
    current: Option<RowKey>,
    /// The row that stays selected wherever it moves to.
    followed: Option<RowKey>,
}

impl View {
    /// Carries out an action. Returns whether to go on.
    pub fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Quit => return false,
            Action::Show(tab) => self.show(tab),
            Action::NextTab => self.show(self.tab.next()),
            Action::NextOrder => self.order = self.order.next(),
            Action::CountWaiting => self.with_waiting = !self.with_waiting,
            Action::Freeze => self.is_frozen = !self.is_frozen,
            Action::Move(by) => {
                self.selected = self.selected.saturating_add_signed(by);
                self.followed = None;
            }
            Action::Open => self.open(),
            Action::Close if self.shows_help => self.shows_help = false,
            Action::Close if self.is_open => self.is_open = false,
            Action::Close if !self.filter.is_empty() => self.set_filter(String::new()),
            Action::Close => self.process = None,
            Action::BeginFilter => self.is_typing = true,
            Action::Type(letter) => self.set_filter(format!("{}{letter}", self.filter)),
            Action::Erase => {
                let mut filter = self.filter.clone();
                filter.pop();
                self.set_filter(filter);
            }
            Action::EndFilter => self.is_typing = false,
            Action::Help => self.shows_help = !self.shows_help,
        }
        true
    }

    fn show(&mut self, tab: Tab) {
        if tab != self.tab {
            self.tab = tab;
            self.select_first();
            self.is_open = false;
        }
    }

    fn select_first(&mut self) {
        self.selected = 0;
        (self.current, self.followed) = (None, None);
    }

    fn open(&mut self) {
        match self.current {
            Some(RowKey::Process(process)) => {
                self.process = Some(process);
                self.set_filter(String::new());
                self.show(Tab::Threads);
            }
            _ => self.is_open = !self.is_open,
        }
    }

    /// Selects the row that is followed, or the one at the same place. The first one is
    /// followed only while its stack is open: otherwise it is the first that is looked at.
    fn select(&mut self, keys: &[RowKey]) {
        let followed = self.followed.and_then(|followed| {
            let is_it = |key: &RowKey| *key == followed;
            keys.iter().position(is_it)
        });
        let last = keys.len().saturating_sub(1);
        self.selected = followed.unwrap_or(self.selected).min(last);
        self.current = keys.get(self.selected).copied();
        let follows = self.selected > 0 || self.is_open;
        self.followed = self.current.filter(|_| follows);
    }

    fn set_filter(&mut self, filter: String) {
        self.filter_error = None;
        self.pattern = None;
        if !filter.is_empty() {
            // What is half typed is often no pattern; then it is searched as it is.
            let pattern = RegexBuilder::new(&filter).case_insensitive(true).build();
            match pattern {
                Ok(pattern) => self.pattern = Some(pattern),
                Err(_) => {
                    self.filter_error = Some("no regular expression: searched as text".to_owned());
                    let escaped = regex::escape(&filter);
                    let literal = RegexBuilder::new(&escaped).case_insensitive(true).build();
                    self.pattern = literal.ok();
                }
            }
        }
        self.filter = filter;
        self.select_first();
    }

    fn takes(&self, texts: &[&str]) -> bool {
        let Some(pattern) = &self.pattern else {
            return true;
        };
        texts.iter().any(|text| pattern.is_match(text))
    }

    /// Makes the tables of what has arrived.
    pub fn snapshot(
        &mut self,
        info: &TraceInfo,
        window: &SlidingWindow,
        symbols: &Symbols,
        tracks: &Tracks,
    ) -> Snapshot {
        let process = self.process.and_then(|index| tracks.process(index));
        let mut snapshot = Snapshot {
            host: escape_for_terminal(&info.host).into_owned(),
            hz: info.hz,
            mode: info.mode,
            seen: window.seen(),
            process: process.map(|process| {
                let title = format!("{} {}", process.pid, process.title());
                escape_for_terminal(&title).into_owned()
            }),
            ..Snapshot::default()
        };
        let only = self.process;
        let wanted = |track: TrackId| {
            let of_track = || tracks.track(track).map(|track| track.process);
            only.is_none() || of_track() == only
        };
        for ((track, (_, state)), time) in window.times() {
            if wanted(track) {
                snapshot.all.add(state, time);
            }
        }
        let keys: Vec<RowKey> = match self.tab {
            Tab::Functions => {
                snapshot.functions = self.functions(window, symbols, wanted);
                let rows = snapshot.functions.iter();
                rows.map(|row| RowKey::Function(row.function)).collect()
            }
            Tab::Processes => {
                let mut rows = tables::processes(window, tracks);
                rows.retain(|row| self.takes(&[&row.name, &row.pid.to_string()]));
                self.sort(&mut rows, |row| (row.times, &row.name, row.pid));
                snapshot.processes = rows;
                let rows = snapshot.processes.iter();
                rows.map(|row| RowKey::Process(row.process)).collect()
            }
            Tab::Threads => {
                let mut rows = tables::threads(window, symbols, tracks, wanted);
                rows.retain(|row| {
                    let [pid, tid] = [row.pid, row.tid].map(|id| id.to_string());
                    self.takes(&[&row.name, &row.place, row.state.name(), &pid, &tid])
                });
                self.sort(&mut rows, |row| (row.times, &row.name, row.tid));
                snapshot.threads = rows;
                let rows = snapshot.threads.iter();
                rows.map(|row| RowKey::Thread(row.track)).collect()
            }
        };
        self.select(&keys);
        if self.is_open {
            snapshot.stack = self.stack(&snapshot, window, symbols, wanted);
        }
        snapshot
    }

    fn functions(
        &self,
        window: &SlidingWindow,
        symbols: &Symbols,
        wanted: impl Fn(TrackId) -> bool,
    ) -> Vec<FunctionRow> {
        let mut rows = tables::functions(window, symbols, wanted);
        rows.retain(|row| self.takes(&[&row.name, &row.file]) && self.functions_time(row) > 0);
        rows.sort_by(|one, other| {
            let time = self.functions_time(other).cmp(&self.functions_time(one));
            let total = |row: &FunctionRow| row.total.counted(self.with_waiting);
            let name = (&one.name, &one.file).cmp(&(&other.name, &other.file));
            match self.order {
                Order::Name => name,
                Order::Own | Order::Total => time.then(total(other).cmp(&total(one))).then(name),
            }
        });
        rows
    }

    /// Returns the time by which a function is sorted; one that only calls others has no
    /// time of its own, and stands in the table with its total time.
    fn functions_time(&self, row: &FunctionRow) -> u64 {
        match self.order {
            Order::Own => row.own.counted(self.with_waiting),
            Order::Total | Order::Name => row.total.counted(self.with_waiting),
        }
    }

    fn sort<T>(&self, rows: &mut [T], key: impl Fn(&T) -> (Times, &String, u32)) {
        rows.sort_by(|one, other| {
            let (times, name, id) = key(one);
            let (other_times, other_name, other_id) = key(other);
            let counted = |times: Times| times.counted(self.order == Order::Total);
            let names = (name, id).cmp(&(other_name, other_id));
            match self.order {
                Order::Name => names,
                Order::Own | Order::Total => counted(other_times).cmp(&counted(times)).then(names),
            }
        });
    }

    fn stack(
        &self,
        shown: &Snapshot,
        window: &SlidingWindow,
        symbols: &Symbols,
        wanted: impl Fn(TrackId) -> bool,
    ) -> Option<OpenStack> {
        let open = |title: String, stack: StackId| OpenStack {
            title,
            frames: tables::stack(symbols, stack),
        };
        match self.tab {
            Tab::Functions => {
                let row = shown.functions.get(self.selected)?;
                let choice = (row.function, self.with_waiting);
                let (stack, share) = heaviest_stack(window, symbols, choice, wanted)?;
                let percent = 100.0 * share;
                let title = format!("{}: its most frequent stack, {percent:.0} %", row.name);
                Some(open(title, stack))
            }
            Tab::Processes => None,
            Tab::Threads => {
                let row = shown.threads.get(self.selected)?;
                let title = format!("{} ({}): {}", row.name, row.tid, row.state.name());
                Some(open(title, row.stack))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_typed_is_searched_as_text() {
        let mut view = View::default();
        view.act(Action::BeginFilter);
        for letter in "a(".chars() {
            view.act(Action::Type(letter));
        }
        assert!(view.filter_error.is_some() && view.takes(&["A(b"]) && !view.takes(&["ab"]));
        view.act(Action::Erase);
        assert!(view.filter_error.is_none() && view.takes(&["ab"]));
        view.act(Action::Erase);
        assert!(view.takes(&["anything"]));
    }

    #[test]
    fn keys_change_what_they_say() {
        let mut view = View::default();
        view.act(Action::Move(5));
        view.act(Action::NextTab);
        assert_eq!((view.tab, view.selected), (Tab::Processes, 0));
        view.act(Action::Move(-1));
        assert_eq!(view.selected, 0);
        view.act(Action::Freeze);
        view.act(Action::Help);
        view.act(Action::Close);
        assert!(view.is_frozen && !view.shows_help);
        assert!(!view.act(Action::Quit));
    }
}
