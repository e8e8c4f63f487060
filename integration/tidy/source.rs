//! A source file, read well enough to be measured.
//!
//! Owns: telling code from comments and texts, and finding functions, structs and imports.
//! Never does: parse Rust in full: it counts brackets.

use std::fs;
use std::path::Path;

/// One file of the house.
pub struct Source {
    path: String,
    text: String,
    code: String,
}

/// A function as it stands in a file.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    pub parameters: usize,
}

/// A struct with named fields.
#[derive(Debug)]
pub struct Struct {
    pub name: String,
    pub line: usize,
    pub fields: usize,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with comments and the insides of strings blanked out, line for line.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Lines of code before the tests in the same file, with their numbers.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.code.find("#[cfg(test)]\nmod ").unwrap_or(self.code.len());
        self.code[..tests].lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Comments, with their lines' numbers.
    pub fn comment_lines(&self) -> Vec<(usize, &str)> {
        let lines = self.text.lines().zip(self.code.lines()).enumerate();
        let comment = |(index, (text, code)): (usize, (&str, &str))| {
            let at = text.find("//")?;
            let blanked = code.get(at..at + 2).is_some_and(|code| code == "  ") && code[at..].trim().is_empty();
            blanked.then_some((index + 1, at))
        };
        let found: Vec<(usize, usize)> = lines.filter_map(comment).collect();
        let texts: Vec<&str> = self.text.lines().collect();
        found.into_iter().map(|(line, at)| (line, &texts[line - 1][at..])).collect()
    }

    /// Paths into other crates, groups unfolded: `use std::{fmt, net::X}` gives `std::fmt`, `std::net::X`.
    pub fn foreign_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut at = 0;
        for line in self.code_lines().map(|(_, line)| line) {
            let starts = line.char_indices().filter(|(offset, c)| {
                (c.is_alphabetic() || *c == '_')
                    && !line[..*offset].ends_with(|b: char| b.is_alphanumeric() || b == '_' || b == ':')
            });
            for (offset, _) in starts {
                let code = &self.code[at + offset..];
                let paths = tails(code).into_iter().filter(|path| path.len() > 1);
                found.extend(paths.map(|path| (self.line_of(at + offset), path.join("::"))));
            }
            at += line.len() + 1;
        }
        found
    }

    pub fn functions(&self) -> Vec<Function> {
        let found = self.keyword("fn").into_iter().filter_map(|at| {
            let name = name_at(&self.code, at + 3)?;
            let open = self.open_parenthesis(at + 3)?;
            let close = closing(&self.code, open)?;
            let end = match self.code[close..].find(['{', ';']).map(|offset| close + offset) {
                Some(end) if self.code[end..].starts_with('{') => closing(&self.code, end)?,
                Some(end) => end,
                None => return None,
            };
            let (line, last) = (self.line_of(at), self.line_of(end));
            let parameters = pieces(&self.code[open + 1..close]);
            Some(Function { name, line, lines: last - line + 1, parameters })
        });
        found.collect()
    }

    pub fn structs(&self) -> Vec<Struct> {
        let found = self.keyword("struct").into_iter().filter_map(|at| {
            let name = name_at(&self.code, at + 7)?;
            let end = at + self.code[at..].find(['{', ';'])?;
            let open = self.code[end..].starts_with('{').then_some(end)?;
            let close = closing(&self.code, open)?;
            Some(Struct { name, line: self.line_of(at), fields: pieces(&self.code[open + 1..close]) })
        });
        found.collect()
    }

    /// Modules of this crate named by path: `crate::a::b` gives `["a", "b"]`, groups are unfolded one
    /// level, `super::` is resolved.
    pub fn named_modules(&self) -> Vec<(usize, Vec<String>)> {
        let mut named = Vec::new();
        for root in ["crate::", "arras::", "super::"] {
            for (at, _) in self.code.match_indices(root) {
                if self.code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
                {
                    continue;
                }
                let mut base = if root == "super::" { self.parent() } else { Some(Vec::new()) };
                let mut rest = at + root.len();
                while self.code[rest..].starts_with("super::") {
                    base = base.and_then(|mut base| base.pop().map(|_| base));
                    rest += "super::".len();
                }
                let Some(base) = base else { continue };
                for tail in tails(&self.code[rest..]) {
                    named.push((self.line_of(at), base.iter().cloned().chain(tail).collect()));
                }
            }
        }
        named
    }

    /// The path of this file's module within the crate, if it is in `src/`.
    pub fn module(&self) -> Option<Vec<String>> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let path = path.strip_suffix("/mod").unwrap_or(path);
        Some(path.split('/').map(str::to_owned).collect())
    }

    fn parent(&self) -> Option<Vec<String>> {
        let mut module = self.module()?;
        module.pop();
        Some(module)
    }

    /// Where this keyword begins an item: alone, not within a word.
    fn keyword(&self, keyword: &str) -> Vec<usize> {
        let pattern = format!("{keyword} ");
        let alone = |at: &usize| !self.code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '\'');
        self.code.match_indices(&pattern).map(|(at, _)| at).filter(alone).collect()
    }

    /// The parenthesis of the parameters: past the generics, which may hold some of their own.
    fn open_parenthesis(&self, from: usize) -> Option<usize> {
        let (mut depth, mut before) = (0, ' ');
        for (offset, c) in self.code[from..].char_indices() {
            match c {
                '<' => depth += 1,
                '>' if before != '-' => depth -= 1,
                '(' if depth == 0 => return Some(from + offset),
                '{' | ';' if depth == 0 => return None,
                _ => {}
            }
            before = c;
        }
        None
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// All Rust files of the house.
pub fn all(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in ["src", "tools", "bench", "integration"] {
        collect(root, &root.join(folder), &mut sources);
    }
    sources
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok()).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            into.push(Source::new(&name, &text));
        }
    }
}

/// Blanks comments and the insides of strings, keeping every line break and every length.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !within_word(bytes, at) && raw_hashes(bytes, at).is_some() => raw_end(bytes, at),
            b'\'' => character_end(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("blanking whole characters leaves UTF-8")
}

fn within_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b' || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| at + offset)
}

fn block_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here + 1 < bytes.len() {
        match &bytes[here..here + 2] {
            b"/*" => (depth, here) = (depth + 1, here + 2),
            b"*/" => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw_end(bytes: &[u8], at: usize) -> usize {
    let hashes = raw_hashes(bytes, at).unwrap_or(0);
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let from = at + 2 + hashes;
    let found = bytes[from..].windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |offset| from + offset + close.len())
}

/// The end of a character literal; a lifetime is left as it is.
fn character_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 2..].iter().skip(1).position(|byte| *byte == b'\'').map_or(at + 1, |o| at + 4 + o),
        Some(_) => {
            let close = bytes[at + 1..].iter().take(5).position(|byte| *byte == b'\'');
            let one = |length: usize| {
                std::str::from_utf8(&bytes[at + 1..at + 1 + length]).is_ok_and(|s| s.chars().count() == 1)
            };
            close.filter(|length| *length > 0 && one(*length)).map_or(at + 1, |length| at + length + 2)
        }
        None => at + 1,
    }
}

/// The bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

/// How many comma-separated pieces there are, not counting what is within brackets.
fn pieces(code: &str) -> usize {
    let (mut depth, mut pieces, mut within, mut before) = (0, 0, false, ' ');
    for c in code.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            ',' if depth == 0 => {
                pieces += usize::from(within);
                within = false;
            }
            _ => {}
        }
        within |= !(c.is_whitespace() || c == ',' && depth == 0);
        before = c;
    }
    pieces + usize::from(within)
}

fn name_at(code: &str, at: usize) -> Option<String> {
    let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The paths that begin here: one, or one for each member of a group.
fn tails(code: &str) -> Vec<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = code;
    loop {
        if rest.starts_with('{') {
            let Some(close) = closing(rest, 0) else { return vec![path] };
            let members = split_group(&rest[1..close]);
            return members.into_iter().map(|tail| path.iter().cloned().chain(tail).collect()).collect();
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            return vec![path];
        }
        rest = &rest[name.len()..];
        path.push(name);
        match rest.strip_prefix("::") {
            Some(next) => rest = next,
            None => return vec![path],
        }
    }
}

fn split_group(group: &str) -> Vec<Vec<String>> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let member = group[start..at].trim();
                if !member.is_empty() {
                    members.extend(tails(member));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}
