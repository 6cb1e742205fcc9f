//! Columns that line up, whatever their colours.

/// A table. Cells may hold colours, which take no width.
#[derive(Debug)]
pub(super) struct Table {
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with headings; one that begins with `>` stands to the right, like its column.
    pub(super) fn new(headings: &[&str]) -> Self {
        let right = headings
            .iter()
            .map(|heading| heading.starts_with('>'))
            .collect();
        let mut table = Self {
            right,
            rows: Vec::new(),
        };
        if headings
            .iter()
            .any(|heading| !heading.trim_start_matches('>').is_empty())
        {
            let painted = |heading: &&str| {
                super::output::paint(super::output::HEAD, heading.trim_start_matches('>'))
            };
            table.rows.push(headings.iter().map(painted).collect());
        }
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, a line per row, without trailing blanks.
    pub(super) fn render(&self) -> String {
        let columns = self.right.len();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| visible(cell))
                .max()
        };
        let widths: Vec<_> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), &right) in row.iter().zip(&widths).zip(&self.right) {
                let blanks = " ".repeat(width - visible(cell));
                if !line.is_empty() {
                    line.push_str("  ");
                }
                line.push_str(&if right {
                    blanks + cell
                } else {
                    cell.clone() + &blanks
                });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// How many characters of a cell are seen.
fn visible(cell: &str) -> usize {
    anstream::adapter::strip_str(cell)
        .map(|part| part.chars().count())
        .sum()
}
