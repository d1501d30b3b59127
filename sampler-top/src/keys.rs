// SPDX-License-Identifier: MIT OR Apache-2.0

//! Maps keys to actions.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::view::{Action, Tab};

/// How far Page Up and Page Down move.
const PAGE: isize = 10;

/// The list of keys on the screen.
pub(crate) const LIST: [(&str, &str); 10] = [
    ("1 2 3, Tab", "functions, processes, threads"),
    ("up down, j k", "select a row; Page Up and Page Down: ten"),
    ("Enter", "open the stack of the row, or the process"),
    ("s", "sort by own time, total time, name"),
    ("w", "count waiting time, or only time on a CPU"),
    ("/", "filter by name, file, pid or state"),
    ("Space", "freeze the screen"),
    ("Esc", "close the stack, the filter, the process"),
    ("?", "these keys"),
    ("q, Ctrl-C", "quit"),
];

/// Returns the action of a key, while a filter is being typed or not.
pub(crate) fn action(event: KeyEvent, is_typing: bool) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let with_control = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Char('c') if with_control => Some(Action::Quit),
        _ if with_control => None,
        KeyCode::Char(letter) if is_typing => Some(Action::Type(letter)),
        KeyCode::Backspace if is_typing => Some(Action::Erase),
        KeyCode::Enter | KeyCode::Esc if is_typing => Some(Action::EndFilter),
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('1') => Some(Action::Show(Tab::Functions)),
        KeyCode::Char('2') => Some(Action::Show(Tab::Processes)),
        KeyCode::Char('3') => Some(Action::Show(Tab::Threads)),
        KeyCode::Tab => Some(Action::NextTab),
        KeyCode::Char('s') => Some(Action::NextOrder),
        KeyCode::Char('w') => Some(Action::CountWaiting),
        KeyCode::Char(' ') => Some(Action::Freeze),
        KeyCode::Char('/') => Some(Action::BeginFilter),
        KeyCode::Char('?' | 'h') => Some(Action::Help),
        KeyCode::Enter => Some(Action::Open),
        KeyCode::Esc => Some(Action::Close),
        KeyCode::Up | KeyCode::Char('k') => Some(Action::Move(-1)),
        KeyCode::Down | KeyCode::Char('j') => Some(Action::Move(1)),
        KeyCode::PageUp => Some(Action::Move(-PAGE)),
        KeyCode::PageDown => Some(Action::Move(PAGE)),
        KeyCode::Home => Some(Action::Move(isize::MIN)),
        KeyCode::End => Some(Action::Move(isize::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_keys_or_text() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(action(key(KeyCode::Char('q')), false), Some(Action::Quit));
        assert_eq!(
            action(key(KeyCode::Char('q')), true),
            Some(Action::Type('q'))
        );
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(control, true), Some(Action::Quit));
        let mut released = key(KeyCode::Char('q'));
        released.kind = KeyEventKind::Release;
        assert_eq!(action(released, false), None);
    }
}
