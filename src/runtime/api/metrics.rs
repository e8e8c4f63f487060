//! Readings as text.
//!
//! Owns: the OpenMetrics form of readings: forty lines, so no crate and no registry stand between a machine's
//! reading and the page.
//! Never does: count anything itself.

use crate::machine::{Reading, ReadingKind};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The form's content type.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Values by label.
type Samples<'a> = BTreeMap<Option<(&'a str, &'a str)>, f64>;

/// All readings, those of one name together; the same reading of several machines is added up.
pub(super) fn encode(readings: &[Reading]) -> String {
    let mut families: BTreeMap<(&str, bool), Samples<'_>> = BTreeMap::new();
    for reading in readings {
        let counter = reading.kind == ReadingKind::Counter;
        let name = reading.name.strip_suffix("_total").filter(|_| counter).unwrap_or(reading.name);
        let label = reading.label.as_ref().map(|(name, value)| (*name, value.as_str()));
        *families.entry((name, counter)).or_default().entry(label).or_insert(0.0) += reading.value;
    }
    let mut text = String::new();
    for ((name, counter), samples) in families {
        let (kind, suffix) = if counter { ("counter", "_total") } else { ("gauge", "") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE arras_{name} {kind}");
        for (label, value) in samples {
            let label = label.map(|(name, value)| format!("{{{name}=\"{}\"}}", escaped(value))).unwrap_or_default();
            let _ = writeln!(text, "arras_{name}{suffix}{label} {value}");
        }
    }
    text.push_str("# EOF\n");
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_one_name_stand_together_and_machines_add_up() {
        let readings = [
            Reading::counter("sent_total", 2).labelled("family", "probe"),
            Reading::gauge("links", 1.5),
            Reading::counter("sent_total", 3).labelled("family", "a\"b"),
            Reading::gauge("links", 2.0),
        ];
        let expected = "# TYPE arras_links gauge\narras_links 3.5\n# TYPE arras_sent counter\n\
                        arras_sent_total{family=\"a\\\"b\"} 3\narras_sent_total{family=\"probe\"} 2\n# EOF\n";
        assert_eq!(encode(&readings), expected);
    }
}
