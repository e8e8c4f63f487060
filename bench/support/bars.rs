//! Is it as good as it has to be?
//!
//! Owns: the bars a bench has to meet, and their verdicts in a table, on a page and in JSON.
//! Never does: soften a bar.

use super::cost::{meets, sig};
use arras::survey::Table;
use arras::survey::number::number;
use arras::survey::plot::{Better, KeyFigure, KeyFigures, Verdict};
use arras::survey::table::Cell;
use serde_json::{Value, json};

/// A figure and what it has to be.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// What it is now; absent if it was not measured.
    pub value: Option<f64>,
    /// What it has to be; absent if it is only shown.
    pub limit: Option<f64>,
    /// Which way is better.
    pub better: Better,
}

/// The bars of a bench.
#[derive(Clone, Debug, Default)]
pub struct BarList(pub Vec<Bar>);

impl Bar {
    /// Met, missed, or without a bar.
    pub fn verdict(&self) -> Verdict {
        match (self.value, self.limit) {
            (Some(value), Some(limit)) if meets(value, limit, self.better) => Verdict::Met,
            (_, Some(_)) => Verdict::Missed,
            (_, None) => Verdict::Open,
        }
    }

    fn wanted(&self) -> String {
        let sign = if self.better == Better::Higher { "≥" } else { "≤" };
        self.limit.map_or_else(String::new, |limit| format!("{sign} {} {}", number(limit), self.unit))
    }

    fn shown(&self) -> String {
        self.value.map_or_else(|| "not measured".to_owned(), |value| format!("{} {}", number(value), self.unit))
    }

    fn word(&self) -> &'static str {
        match self.verdict() {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Open => "",
        }
    }
}

impl BarList {
    /// Adds a figure that has to be at most this.
    pub fn at_most(&mut self, what: impl Into<String>, value: Option<f64>, limit: f64, unit: &'static str) {
        self.0.push(Bar { what: what.into(), unit, value, limit: Some(limit), better: Better::Lower });
    }

    /// Adds a figure that has to be at least this.
    pub fn at_least(&mut self, what: impl Into<String>, value: Option<f64>, limit: f64, unit: &'static str) {
        self.0.push(Bar { what: what.into(), unit, value, limit: Some(limit), better: Better::Higher });
    }

    /// Adds a figure without a bar.
    pub fn shown(&mut self, what: impl Into<String>, value: Option<f64>, unit: &'static str) {
        self.0.push(Bar { what: what.into(), unit, value, limit: None, better: Better::Neither });
    }

    /// As a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new("Bars", ["figure", "measured", "bar", "verdict"]);
        for bar in &self.0 {
            let cells = [bar.what.clone(), bar.shown(), bar.wanted(), bar.word().to_owned()];
            table.row(cells.map(Cell::from));
        }
        table
    }

    /// As cards.
    pub fn cards(&self, title: &str) -> KeyFigures {
        let card = |bar: &Bar| KeyFigure {
            label: bar.what.clone(),
            value: bar.shown(),
            note: bar.wanted(),
            verdict: bar.verdict(),
        };
        KeyFigures { title: title.to_owned(), figures: self.0.iter().map(card).collect() }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let one = |bar: &Bar| {
            let met = bar.limit.map(|_| bar.verdict() == Verdict::Met);
            json!({"figure": bar.what, "unit": bar.unit, "value": bar.value.map(sig), "bar": bar.limit, "met": met})
        };
        Value::Array(self.0.iter().map(one).collect())
    }
}
