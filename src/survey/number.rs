//! How numbers are written for people.
//!
//! Owns: significant digits and thousands separators.
//! Never does: write numbers for machines (JSON has its own).

/// Three significant digits, thousands separated: `0.0871`, `1.24`, `133.9` is `134`, `1,234,567`; `-` for what is no number.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "-".to_string(),
        _ if size == 0.0 => "0".to_string(),
        _ if !(9.995e-4..1e12).contains(&size) => format!("{value:.2e}"),
        _ if size >= 99.95 => decimals(value, 0),
        _ if size >= 9.995 => decimals(value, 1),
        _ if size >= 0.9995 => decimals(value, 2),
        _ if size >= 0.09995 => decimals(value, 3),
        _ if size >= 0.009995 => decimals(value, 4),
        _ => decimals(value, 5),
    }
}

/// The same without decimals if it is a whole number: `30`, where [`number`] writes `30.0`.
pub fn brief(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e12 { decimals(value, 0) } else { number(value) }
}

/// With this many decimals, thousands separated: `12,345.60`.
pub fn decimals(value: f64, places: usize) -> String {
    let plain = format!("{:.places$}", value.abs());
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let sign = if value < 0.0 && plain.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { "-" } else { "" };
    let mut written = sign.to_string();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            written.push(',');
        }
        written.push(digit);
    }
    if let Some(fraction) = fraction {
        written.push('.');
        written.push_str(fraction);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_that_mean_something() {
        for (value, written) in [
            (0.0, "0"),
            (0.08714, "0.0871"),
            (1.236, "1.24"),
            (9.996, "10.0"),
            (133.9, "134"),
            (-1_234_567.4, "-1,234,567"),
            (0.0000123, "1.23e-5"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), written);
        }
        assert_eq!((brief(30.0), brief(30.5)), ("30".to_string(), "30.5".to_string()));
        assert_eq!(decimals(12_345.6, 2), "12,345.60");
        assert_eq!(decimals(-0.001, 1), "0.0");
    }
}
