//! From keys to actions.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    action::{Action, Focus},
    order::Sort,
};

/// What a key means to whatever has the keyboard.
pub(super) fn action(focus: Focus, key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('u') if focus == Focus::Filter => Some(Action::Back),
            KeyCode::Char('u' | 'b') if focus == Focus::Screen => Some(Action::Page(-1)),
            KeyCode::Char('d' | 'f') if focus == Focus::Screen => Some(Action::Page(1)),
            _ => None,
        };
    }
    match focus {
        Focus::Screen => on_screen(key.code),
        Focus::Filter => in_filter(key.code),
        Focus::Question => Some(match key.code {
            KeyCode::Char('y' | 'Y') => Action::Accept,
            // Whatever else is pressed: nothing is done by accident.
            _ => Action::Back,
        }),
    }
}

const fn on_screen(key: KeyCode) -> Option<Action> {
    Some(match key {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Esc | KeyCode::Backspace => Action::Back,
        KeyCode::Enter => Action::Details,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Char('w') => Action::Sort(Sort::Waiting),
        KeyCode::Char('t') => Action::Sort(Sort::Throttled),
        KeyCode::Char('c') => Action::Sort(Sort::Cpu),
        KeyCode::Char('m') => Action::Sort(Sort::Memory),
        KeyCode::Char('u') => Action::Sort(Sort::Unused),
        KeyCode::Char('l') => Action::Sort(Sort::Lent),
        KeyCode::Char('r') => Action::Sort(Sort::Requests),
        KeyCode::Char('n') => Action::Sort(Sort::Name),
        KeyCode::Char('s') => Action::NextSort,
        KeyCode::Char('i') => Action::Reverse,
        KeyCode::Char('v') => Action::Tree,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char('p') => Action::Pin,
        KeyCode::Char('P') => Action::Pause,
        _ => return None,
    })
}

const fn in_filter(key: KeyCode) -> Option<Action> {
    Some(match key {
        KeyCode::Enter => Action::Accept,
        KeyCode::Esc => Action::Back,
        KeyCode::Backspace => Action::Erase,
        KeyCode::Up => Action::Move(-1),
        KeyCode::Down => Action::Move(1),
        KeyCode::Char(letter) => Action::Type(letter),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(focus: Focus, code: KeyCode) -> Option<Action> {
        action(focus, KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_letter_is_an_order_on_the_screen_and_a_letter_in_the_filter() {
        let key = KeyCode::Char('t');
        let sort = Action::Sort(Sort::Throttled);
        assert_eq!(pressed(Focus::Screen, key), Some(sort));
        assert_eq!(pressed(Focus::Filter, key), Some(Action::Type('t')));
        assert_eq!(
            pressed(Focus::Filter, KeyCode::Char('q')),
            Some(Action::Type('q'))
        );
    }

    #[test]
    fn only_y_says_yes() {
        let answer = |key| pressed(Focus::Question, key);
        assert_eq!(answer(KeyCode::Char('y')), Some(Action::Accept));
        for key in ['n', 'q', ' ', 'p', 'j'] {
            assert_eq!(answer(KeyCode::Char(key)), Some(Action::Back), "{key}");
        }
        assert_eq!(answer(KeyCode::Enter), Some(Action::Back));
    }

    #[test]
    fn control_c_leaves_from_everywhere() {
        for focus in [Focus::Screen, Focus::Filter, Focus::Question] {
            let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
            assert_eq!(action(focus, key), Some(Action::Quit));
        }
    }
}
