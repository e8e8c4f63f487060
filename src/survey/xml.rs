//! Foreign text in XML.
//!
//! Owns: what a text becomes so that it stays within its element or its quotes.
//! Never does: read XML.

/// Safe as XML text and in quotes; characters that XML forbids become blanks.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            ch if ch.is_control() || matches!(ch, '\u{fffe}' | '\u{ffff}') => safe.push(' '),
            ch => safe.push(ch),
        }
    }
    safe
}
