//! The TOML file.
//!
//! Owns: reading it, with the line of every value, and refusing what it does not know.
//! Never does: guess. An unknown key is an error that names the line and the nearest key.

use super::keys::{self, Key, Kind};
use super::{ConfigError, Origin, Resolved};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads the file onto what is there.
pub(super) fn read(path: &Path, onto: &mut Resolved) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("configuration {}: {error}", path.display())))?;
    let at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let wrong = |offset: usize, why: &str| ConfigError(format!("{}:{}: {why}", path.display(), at(offset)));
    let document =
        DeTable::parse(&text).map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message()))?;
    for (subject, section) in document.get_ref() {
        let DeValue::Table(section) = section.get_ref() else {
            let hint = keys::named(subject.get_ref()).err().unwrap_or_default();
            return Err(wrong(subject.span().start, &hint));
        };
        for (field, value) in section {
            let name = format!("{}.{}", subject.get_ref(), field.get_ref());
            let start = field.span().start;
            let key = keys::named(&name).map_err(|hint| wrong(start, &hint))?;
            let given = text_of(key, value).map_err(|why| wrong(start, &why))?;
            (key.set)(&mut onto.config, &given).map_err(|why| wrong(start, &format!("{} {why}", key.name)))?;
            onto.origins.insert(key.name, Origin::File { path: path.to_path_buf(), line: at(start) });
        }
    }
    Ok(())
}

/// A TOML value in the text that environment and flags use as well.
fn text_of(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match (key.kind, value.get_ref()) {
        (Kind::Text | Kind::Span | Kind::Bytes, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(flag.to_string()),
        (Kind::Number | Kind::Bytes, DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(number.as_str().replace('_', ""))
        }
        (Kind::List, DeValue::Array(entries)) => {
            let texts: Option<Vec<&str>> = entries.iter().map(|entry| entry.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| format!("{} is an array of strings", key.name))
        }
        (kind, _) => Err(format!("{} is {}", key.name, kind.in_words())),
    }
}

impl Kind {
    fn in_words(self) -> &'static str {
        match self {
            Kind::Text => "a string",
            Kind::Flag => "true or false",
            Kind::Number => "a whole number",
            Kind::Bytes => "a whole number of bytes, or a string such as \"10GiB\"",
            Kind::Span => "a string such as \"250ms\", \"10s\", \"5min\" or \"2h\"",
            Kind::List => "an array of strings",
        }
    }
}
