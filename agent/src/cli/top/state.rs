//! What is shown: the last sample, what was typed, and what was said. It knows neither terminal nor clock.

use super::{
    action::{Action, Focus},
    changes::Changes,
    history::Series,
    news::{News, Request, Sample},
    order::{Line, Order, Sort},
    row::{self, Row},
    scrutiny::Scrutiny,
};
use crate::api::view::Status;

/// How many values of the node are kept: as many as a wide terminal shows.
const KEPT: usize = 160;
/// The orders that a key goes through.
const SORTS: [Sort; 8] = [
    Sort::Waiting,
    Sort::Throttled,
    Sort::Cpu,
    Sort::Memory,
    Sort::Unused,
    Sort::Lent,
    Sort::Requests,
    Sort::Name,
];

/// What fills the screen below the node's lines.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// The table, and what was done lately.
    List,
    /// One workload.
    Details(Box<Scrutiny>),
    /// The keys, and what the columns mean.
    Help,
}

/// What the shell is to do about an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing but draw.
    None,
    /// To end.
    Quit,
    /// To stop until `fg`.
    Suspend,
    /// To ask the agent.
    Ask(Request),
}

/// Everything on the screen.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The agent as a whole; `None` before the first sample.
    pub(super) status: Option<Status>,
    /// Every workload, in the order of their paths.
    pub(super) rows: Vec<Row>,
    /// Those that are shown.
    pub(super) lines: Vec<Line>,
    /// In which order, and which.
    pub(super) order: Order,
    /// What was done lately.
    pub(super) changes: Changes,
    /// All workloads' waiting, in us a second.
    pub(super) waited: Series,
    /// All workloads' throttling, in us a second.
    pub(super) throttled: Series,
    /// The node's use of CPU, in micro-CPUs.
    pub(super) used: Series,
    /// Why the agent does not answer; `None` while it does.
    pub(super) lost: Option<String>,
    /// And for how long it has not.
    pub(super) lost_ns: u64,
    /// What fills the screen.
    pub(super) view: View,
    /// What has to be confirmed.
    pub(super) question: Option<Request>,
    /// What came of the last request, until the next key.
    pub(super) said: Option<Result<String, String>>,
    /// How long until the next sample, as of the last one.
    pub(super) every_ns: u64,
    /// The first line of the table that is seen.
    pub(super) offset: usize,
    /// How many lines of it are seen.
    pub(super) page: usize,
    /// Path of the workload that was selected; `None` for whatever is first.
    selected: Option<String>,
    typing: bool,
    at_ns: Option<u64>,
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(order: Order) -> Self {
        Self {
            status: None,
            rows: Vec::new(),
            lines: Vec::new(),
            order,
            changes: Changes::default(),
            waited: Series::of(KEPT),
            throttled: Series::of(KEPT),
            used: Series::of(KEPT),
            lost: None,
            lost_ns: 0,
            view: View::List,
            question: None,
            said: None,
            every_ns: 0,
            offset: 0,
            page: 1,
            selected: None,
            typing: false,
            at_ns: None,
        }
    }

    /// What has the keyboard.
    pub(super) const fn focus(&self) -> Focus {
        if self.question.is_some() {
            Focus::Question
        } else if self.typing {
            Focus::Filter
        } else {
            Focus::Screen
        }
    }

    /// The path of the workload that is looked at closely.
    pub(super) fn subject(&self) -> Option<&str> {
        match &self.view {
            View::Details(scrutiny) => Some(&scrutiny.path),
            View::List | View::Help => None,
        }
    }

    /// The selected line; the first one unless another was chosen and is still there.
    pub(super) fn cursor(&self) -> usize {
        let Some(path) = &self.selected else { return 0 };
        let is_it = |line: &Line| self.rows[line.row].workload.path == *path;
        self.lines.iter().position(is_it).unwrap_or(0)
    }

    /// The workload that keys are about: the one that is looked at, or the selected one.
    pub(super) fn current(&self) -> Option<&Row> {
        if let Some(path) = self.subject() {
            let place = self
                .rows
                .binary_search_by(|row| row.workload.path.as_str().cmp(path));
            return place.ok().map(|row| &self.rows[row]);
        }
        let line = self.lines.get(self.cursor())?;
        self.rows.get(line.row)
    }

    /// Takes in what is new.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Sample(sample) => self.sample(*sample),
            News::Past(entries) => {
                // It comes first from each agent, and from another one nothing else is true.
                self.changes.clear();
                for entry in entries {
                    self.changes.add(entry);
                }
            }
            // What the agent says of the stream itself has no place in it.
            News::Entry(entry) if entry.seq == 0 => self.said = Some(Ok(entry.reason.text)),
            News::Entry(entry) => self.changes.add(*entry),
            News::Looked(look) => {
                if let View::Details(scrutiny) = &mut self.view {
                    scrutiny.take(*look);
                }
            }
            News::Lost(why, for_ns) => (self.lost, self.lost_ns) = (Some(why), for_ns),
            News::Done(said) => self.said = Some(said),
        }
    }

    fn sample(&mut self, sample: Sample) {
        let pid = self.status.as_ref().map(|status| status.pid);
        if pid.is_some_and(|pid| pid != sample.status.pid) {
            // Another agent counts from the beginning.
            self.rows.clear();
        }
        let elapsed_ns = self.at_ns.map_or(0, |at| sample.at_ns.saturating_sub(at));
        let rows = std::mem::take(&mut self.rows);
        self.rows = row::next(rows, sample.workloads, &sample.status.pools, elapsed_ns);
        self.note(&sample.status);
        self.at_ns = Some(sample.at_ns);
        self.every_ns = sample.every_ns;
        self.status = Some(sample.status);
        self.lost = None;
        self.arrange();
    }

    /// Notes what the node does, for its sparklines.
    fn note(&mut self, status: &Status) {
        // Who is not known adds nothing; if nobody is, nothing is known.
        let sum = |of: fn(&Row) -> Option<u64>| {
            let known = self.rows.iter().filter_map(of);
            known.fold(None, |sum: Option<u64>, ns| {
                Some(sum.unwrap_or(0) + ns / 1_000)
            })
        };
        let (waited, throttled) = (
            sum(|row| row.waited_ns_per_s),
            sum(|row| row.throttled_ns_per_s),
        );
        self.waited.push(waited);
        self.throttled.push(throttled);
        let cpu = status.pools.first();
        self.used.push(cpu.and_then(|pool| row::value(pool.used)));
    }

    fn arrange(&mut self) {
        self.lines = self.order.arrange(&self.rows);
    }

    /// Does what the user wants, as far as it concerns the screen.
    pub(super) fn act(&mut self, action: Action) -> Effect {
        if action != Action::Accept {
            self.said = None;
        }
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Accept => return self.accept(),
            Action::Back => self.back(),
            Action::Help => {
                self.view = match self.view {
                    View::Help => View::List,
                    _ => View::Help,
                }
            }
            Action::Details => self.details(),
            Action::Move(_) | Action::Page(_) | Action::First | Action::Last => self.go(action),
            Action::Sort(sort) => self.sort(sort),
            Action::NextSort => {
                let place = SORTS.iter().position(|sort| *sort == self.order.sort);
                let next = place.map_or(0, |place| (place + 1) % SORTS.len());
                self.sort(SORTS[next]);
            }
            Action::Reverse => {
                self.order.reversed = !self.order.reversed;
                self.arrange();
            }
            Action::Tree => {
                self.order.tree = !self.order.tree;
                self.arrange();
            }
            Action::Filter => {
                self.view = View::List;
                self.typing = true;
            }
            Action::Type(letter) => self.filter(|filter| filter.push(letter)),
            Action::Erase => self.filter(|filter| {
                let _ = filter.pop();
            }),
            Action::Pin => self.question = self.pin(),
            Action::Pause => {
                let paused = self.status.as_ref().map(|status| status.paused);
                self.question = paused.map(|paused| Request::Pause(!paused));
            }
        }
        Effect::None
    }

    fn accept(&mut self) -> Effect {
        if let Some(request) = self.question.take() {
            return Effect::Ask(request);
        }
        self.typing = false;
        Effect::None
    }

    fn back(&mut self) {
        if self.question.take().is_some() {
            return;
        }
        if self.typing || matches!(self.view, View::List) {
            self.typing = false;
            self.filter(String::clear);
        }
        self.view = View::List;
    }

    fn details(&mut self) {
        if matches!(self.view, View::List)
            && let Some(row) = self.current()
        {
            let path = row.workload.path.clone();
            self.selected = Some(path.clone());
            self.view = View::Details(Box::new(Scrutiny::new(path)));
        }
    }

    fn pin(&self) -> Option<Request> {
        let workload = &self.current()?.workload;
        Some(Request::Pin {
            path: workload.path.clone(),
            name: workload.name.clone(),
            pinned: !workload.pinned,
        })
    }

    /// Begins from the top: what comes first is what one wants to see.
    fn sort(&mut self, sort: Sort) {
        self.order.sort = sort;
        self.order.reversed = false;
        self.selected = None;
        self.arrange();
    }

    fn filter(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.order.filter);
        self.arrange();
    }

    /// Selects another line; in the details, the workload on it is what is looked at next.
    fn go(&mut self, action: Action) {
        let last = self.lines.len().saturating_sub(1);
        let cursor = self.cursor();
        let page = isize::try_from(self.page.max(1)).unwrap_or(isize::MAX);
        let to = match action {
            Action::Move(lines) => cursor.saturating_add_signed(lines),
            Action::Page(pages) => cursor.saturating_add_signed(pages.saturating_mul(page)),
            Action::First => 0,
            _ => last,
        };
        let Some(line) = self.lines.get(to.min(last)) else {
            return;
        };
        let path = &self.rows[line.row].workload.path;
        // At the top the first line stays selected, whoever comes there.
        let top = to == 0 && matches!(self.view, View::List);
        self.selected = (!top).then(|| path.clone());
        if self.subject().is_some_and(|subject| subject != path) {
            self.view = View::Details(Box::new(Scrutiny::new(path.clone())));
        }
    }

    /// Scrolls so that the selected line is among so many that are seen.
    pub(super) fn show(&mut self, page: usize) {
        self.page = page;
        let cursor = self.cursor();
        let last = self.lines.len().saturating_sub(page);
        let first = cursor.saturating_sub(page.saturating_sub(1));
        self.offset = self.offset.clamp(first, cursor.max(first)).min(last);
    }
}
