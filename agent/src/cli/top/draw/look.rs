//! How things look: with and without colours, with and without more than ASCII.

use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Look {
    /// Colours; without them things are told apart by bold, dim, reversed, and by words.
    pub(in super::super) colour: bool,
    /// More than ASCII.
    pub(in super::super) unicode: bool,
}

impl Look {
    /// What the environment says: `NO_COLOR`, and the character set of the locale.
    pub(in super::super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"))
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            colour: set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    const fn coloured(self, colour: Color, otherwise: Modifier) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new().add_modifier(otherwise)
        }
    }

    /// Headings, names.
    #[expect(clippy::unused_self, reason = "like its siblings")]
    pub(super) const fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Something was done, or is as it should be.
    pub(super) const fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    /// Something could be better.
    pub(super) const fn fair(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    /// Something is wrong.
    pub(super) const fn bad(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
            .add_modifier(Modifier::BOLD)
    }

    /// Less important than the rest.
    #[expect(clippy::unused_self, reason = "like its siblings")]
    pub(super) const fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Charts.
    pub(super) const fn chart(self) -> Style {
        self.coloured(Color::Cyan, Modifier::empty())
    }

    /// The selected line, the column that decides the order, and what must not be overlooked.
    #[expect(clippy::unused_self, reason = "like its siblings")]
    pub(super) const fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// How a part of 1,000 looks of which it is bad to have much.
    pub(super) const fn load(self, per_mille: u64) -> Style {
        match per_mille {
            0..800 => self.good(),
            800..950 => self.fair(),
            _ => self.bad(),
        }
    }

    /// The steps of a sparkline, from nothing to the most.
    pub(super) const fn steps(self) -> [char; 9] {
        if self.unicode {
            [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            [' ', '.', '.', ':', ':', '=', '=', '#', '#']
        }
    }

    /// What stands in a sparkline where nothing is known.
    pub(super) const fn unknown(self) -> char {
        if self.unicode { '·' } else { '?' }
    }

    /// The full and the empty part of a bar.
    pub(super) const fn bar(self) -> [char; 2] {
        if self.unicode {
            ['█', '░']
        } else {
            ['#', '.']
        }
    }

    /// From one limit to another.
    pub(super) const fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// What was cut off.
    pub(super) const fn ellipsis(self) -> char {
        if self.unicode { '…' } else { '~' }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let look = |of: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = of.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let look = Look::of(value);
            (look.colour, look.unicode)
        };
        assert_eq!(look(&[("LANG", "en_US.UTF-8")]), (true, true));
        assert_eq!(
            look(&[("LANG", "de_DE.utf8"), ("NO_COLOR", "1")]),
            (false, true)
        );
        assert_eq!(look(&[("NO_COLOR", ""), ("LANG", "C")]), (true, false));
        let first = [("LC_ALL", "C"), ("LANG", "en_US.UTF-8")];
        assert_eq!(look(&first), (true, false));
        assert_eq!(look(&[]), (true, false));
    }
}
