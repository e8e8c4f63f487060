//! Tables in plain text.
//!
//! Owns: columns that line up, in a terminal and (see `plot`) on a report page.
//! Never does: wrap, colour, or know how wide the terminal is.

use super::number::number;
use std::fmt;

/// A table with a heading line. Its text begins with the headings, a rule, and one line a row; no line ends in blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    title: String,
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of no rows with these columns. The title is shown on report pages; its text is without.
    pub fn new<H: Into<String>>(title: impl Into<String>, headings: impl IntoIterator<Item = H>) -> Table {
        Table { title: title.into(), headings: headings.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Appends a row; missing cells are empty, cells beyond the last column are dropped.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Table {
        let mut row: Vec<String> = cells.into_iter().map(|cell| cell.into().0).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
        self
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The headings, one a column.
    pub fn headings(&self) -> &[String] {
        &self.headings
    }

    /// The rows, each as long as the headings.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Whether every filled cell of this column reads as a number, with or without a unit: such columns stand to the right.
    pub fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        cells().next().is_some() && cells().all(|cell| reads_as_number(cell))
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(self.headings.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// The text of one cell. Numbers become text as [`number`] writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell(String);

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell(text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::from(text.as_str())
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Cell {
        Cell(number(value))
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Cell {
        Cell(super::number::decimals(value as f64, 0))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<(usize, bool)> =
            (0..self.headings.len()).map(|column| (self.width(column), self.is_numeric(column))).collect();
        let rule: Vec<String> = columns.iter().map(|(width, _)| "-".repeat(*width)).collect();
        for row in [&self.headings, &rule].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (cell, (width, right)) in row.iter().zip(&columns) {
                let blanks = " ".repeat(width - cell.chars().count());
                line += &if *right { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") };
                line += GAP;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with perhaps a short unit or more words behind it, or a dash for "none"; no address, no id.
fn reads_as_number(cell: &str) -> bool {
    let first = cell.split_whitespace().next().unwrap_or_default().trim_start_matches(['-', '+', '<', '>', '~', '–']);
    let unit = first.trim_start_matches(|ch: char| ch.is_ascii_digit() || ch == '.' || ch == ',');
    let short = unit.len() < first.len() && unit.chars().count() <= UNIT_CHARS_MAX;
    first.is_empty()
        || first.parse::<f64>().is_ok()
        || (short && !unit.contains(|ch: char| ch.is_ascii_digit() || ch == ':'))
}

/// `MiB/s` has five.
const UNIT_CHARS_MAX: usize = 5;
/// Between two columns.
const GAP: &str = "  ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_left_and_numbers_right() {
        let mut table = Table::new("stretch", ["pairs", "mean", "note"]);
        table.row([Cell::from("near"), Cell::from(1.5), Cell::from("")]);
        table.row([Cell::from("far away"), Cell::from(12_345.0), Cell::from("line\nbreak")]);
        let text = "\
pairs       mean  note
--------  ------  ----------
near        1.50
far away  12,345  line break
";
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn addresses_and_ids_are_not_numbers() {
        for (cell, is) in
            [("12.4 ms", true), ("1.2e-5", true), ("99%", true), ("-", true), ("1,969", true), ("0.2 to 29", true)]
                .into_iter()
                .chain([("127.3.0.17:7420", false), ("4f1c9a02", false), ("longer", false)])
        {
            assert_eq!(reads_as_number(cell), is, "{cell}");
        }
    }

    #[test]
    fn a_table_without_rows_is_its_headings() {
        assert_eq!(Table::new("", ["a", "bc"]).to_string(), "a  bc\n-  --\n");
        assert_eq!(Table::new("", [""; 0]).row(["x"]).rows(), [[""; 0]]);
    }
}
