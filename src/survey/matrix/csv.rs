//! The matrix as text.
//!
//! Owns: reading comma-separated milliseconds line by line, and telling names from numbers.
//! Never does: hold more than one line beside the entries; guess whether a number is a label.

use super::error::{MatrixError, Place, excerpt};
use super::{HOSTS_MAX, NOT_MEASURED, RTT_MAX, is_gzip};
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};

/// Hosts and entries, missing ones as [`NOT_MEASURED`].
pub(super) fn parse(bytes: &[u8]) -> Result<(usize, Vec<u32>), MatrixError> {
    match bytes {
        [] => Err(MatrixError::Empty),
        packed if is_gzip(packed) => read(BufReader::new(MultiGzDecoder::new(packed))),
        plain => read(plain),
    }
}

fn read(source: impl BufRead) -> Result<(usize, Vec<u32>), MatrixError> {
    let mut lines = Lines { source, line: 0, bytes: 0, buffer: Vec::new() };
    let mut grid: Option<Grid> = None;
    let mut names = None;
    while let Some((line, text)) = lines.next()? {
        let cells: Vec<&str> = text.split(',').map(bare).collect();
        if grid.is_none() && names.is_none() && is_header(&cells) {
            names = Some(cells.len());
            continue;
        }
        match &mut grid {
            Some(grid) => grid.take(line, &cells)?,
            None => grid = Some(Grid::begun(line, &cells)?),
        }
    }
    grid.ok_or(MatrixError::Empty)?.finished(names)
}

/// The lines that have something in them, each of bounded length.
struct Lines<R> {
    source: R,
    line: usize,
    bytes: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<(usize, &str)>, MatrixError> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.source).take(LINE_BYTES_MAX + 1);
            let read = limited
                .read_until(b'\n', &mut self.buffer)
                .map_err(|error| MatrixError::Gzip { reason: excerpt(&error.to_string(), 160) })?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.bytes += read as u64;
            if read as u64 > LINE_BYTES_MAX || self.bytes > TEXT_BYTES_MAX {
                return Err(MatrixError::TooLong { line: self.line });
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|_| MatrixError::NotText { line: self.line })?;
        Ok(Some((self.line, text.trim_start_matches('\u{feff}'))))
    }
}

/// The lines of values read so far.
struct Grid {
    columns: usize,
    /// The line and text of the first row's name, if rows begin with names.
    label: Option<(usize, String)>,
    /// Whether the very first cell is empty, as above a column of labels.
    corner_is_empty: bool,
    rows: usize,
    entries: Vec<u32>,
}

impl Grid {
    fn begun(line: usize, cells: &[&str]) -> Result<Grid, MatrixError> {
        let named = cells.len() > 1 && is_text(cells[0]);
        let label = named.then(|| (line, excerpt(cells[0], EXCERPT_CHARS)));
        let columns = cells.len() - usize::from(named);
        let corner_is_empty = cells[0].is_empty();
        let mut grid = Grid { columns, label, corner_is_empty, rows: 0, entries: Vec::new() };
        grid.take(line, cells)?;
        Ok(grid)
    }

    fn take(&mut self, line: usize, cells: &[&str]) -> Result<(), MatrixError> {
        let skipped = usize::from(self.label.is_some());
        if let Some((line, text)) = &self.label
            && !is_text(cells[0])
        {
            return Err(MatrixError::NotANumber { line: *line, column: 1, text: text.clone() });
        }
        for (index, cell) in cells.iter().enumerate().skip(skipped) {
            let entry = entry(cell, line, index + 1)?;
            // Further rows are counted for the error line, not kept.
            if self.rows < self.columns {
                self.entries.push(entry);
            }
        }
        let found = cells.len() - skipped;
        if found != self.columns {
            return Err(MatrixError::RaggedLine { line, found, wanted: self.columns });
        }
        if self.columns > HOSTS_MAX {
            return Err(MatrixError::Hosts { found: self.columns as u64 });
        }
        self.rows += 1;
        Ok(())
    }

    fn finished(self, names: Option<usize>) -> Result<(usize, Vec<u32>), MatrixError> {
        let (rows, columns) = (self.rows, self.columns);
        if rows != columns {
            return Err(MatrixError::NotSquare { rows, columns });
        }
        let corner = usize::from(self.label.is_some());
        if let Some(found) = names
            && found != columns
            && found != columns + corner
        {
            return Err(MatrixError::RaggedLine { line: 1, found, wanted: columns });
        }
        if columns < 2 {
            return Err(MatrixError::Hosts { found: columns as u64 });
        }
        if self.corner_is_empty && self.label.is_none() && (self.counts_from(0) || self.counts_from(1)) {
            return Err(MatrixError::AmbiguousLabels);
        }
        Ok((columns, self.entries))
    }

    /// Whether the first row and the first column count up in whole numbers from this one, as row numbers do.
    fn counts_from(&self, first: usize) -> bool {
        let counted = |index: usize| ((index - 1 + first) * 1_000) as u32;
        self.columns > 2
            && (1..self.columns).all(|index| {
                self.entries[index] == counted(index) && self.entries[index * self.columns] == counted(index)
            })
    }
}

/// A cell without blanks and quotes around it.
fn bare(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(cell).trim()
}

/// Names in every column; the one above the column of names may be empty.
fn is_header(cells: &[&str]) -> bool {
    cells.len() > 1 && (cells[0].is_empty() || is_text(cells[0])) && cells[1..].iter().all(|cell| is_text(cell))
}

/// Neither a number nor a mark for a missing one.
fn is_text(cell: &str) -> bool {
    !cell.is_empty() && cell != "-" && cell.parse::<f64>().is_err()
}

fn entry(cell: &str, line: usize, column: usize) -> Result<u32, MatrixError> {
    if cell.is_empty() || cell == "-" {
        return Ok(NOT_MEASURED);
    }
    let text = || excerpt(cell, EXCERPT_CHARS);
    let millis: f64 = cell.parse().map_err(|_| MatrixError::NotANumber { line, column, text: text() })?;
    if millis.is_nan() || millis == f64::from(NOT_MEASURED) || (millis < 0.0 && millis.is_finite()) {
        return Ok(NOT_MEASURED);
    }
    if !millis.is_finite() || millis > RTT_MAX.as_millis_f64() {
        return Err(MatrixError::Absurd { place: Place::Cell { line, column }, text: text() });
    }
    // A measured time too short for a microsecond is one, since 0 would say "not measured".
    Ok(if millis > 0.0 { (millis * 1e3).round().max(1.0) as u32 } else { 0 })
}

/// Bytes of a cell with its comma, on average over a line: a guess; 17 digits and an exponent fit.
const CELL_BYTES_MAX: u64 = 32;
/// Bytes of a line with the most hosts and a name.
const LINE_BYTES_MAX: u64 = (HOSTS_MAX as u64 + 1) * CELL_BYTES_MAX;
/// Bytes of text read at all, however small they were packed; they are read as a stream, not held.
const TEXT_BYTES_MAX: u64 = LINE_BYTES_MAX * (HOSTS_MAX as u64 + 1);
/// Characters of a foreign cell that an error line repeats.
const EXCERPT_CHARS: usize = 24;
