//! What a key means.

use super::order::Sort;

/// Something that the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// To leave.
    Quit,
    /// To leave for the shell and come back with `fg`.
    Suspend,
    /// The keys, and what the columns mean.
    Help,
    /// One step back: out of a question, a filter, help or details.
    Back,
    /// All about the selected workload.
    Details,
    /// Another selection, so many lines further down.
    Move(isize),
    /// The same by so many screens.
    Page(isize),
    /// The first line.
    First,
    /// The last line.
    Last,
    /// Another order.
    Sort(Sort),
    /// The next order of the list of them.
    NextSort,
    /// The order the other way round.
    Reverse,
    /// Children below parents, or no longer.
    Tree,
    /// To type a filter.
    Filter,
    /// One letter more of it.
    Type(char),
    /// One letter less of it.
    Erase,
    /// To be done with what is typed, or say yes.
    Accept,
    /// To pin the selected workload, or unpin it.
    Pin,
    /// To pause the agent, or resume.
    Pause,
}

/// What has the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    /// The table, details or help.
    Screen,
    /// The filter that is being typed.
    Filter,
    /// A question to answer by yes or no.
    Question,
}
