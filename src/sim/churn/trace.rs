//! Sessions that somebody measured.
//!
//! Owns: reading them, and which nodes are there at some second and when each turns afterwards.
//! Never does: read a file, or invent a session.

use crate::base::Span;
use std::collections::BTreeMap;
use std::fmt;

/// Sessions of nodes, in the order in which the nodes are first named. Those of a node neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    nodes: Vec<Vec<Session>>,
}

/// From when to when a node is there, since the beginning of the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Session {
    up: Span,
    down: Span,
}

/// What is wrong with a trace, and in which line (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    line: usize,
    what: String,
}

impl Trace {
    /// Reads lines of `node,up_s,down_s` below that heading: a node's name, and from when to when it is there, in seconds
    /// (fractions allowed) since any beginning, the second later than the first. Lines may come in any order. Empty ones
    /// are skipped.
    pub fn parse(text: &str) -> Result<Trace, BadLine> {
        let mut lines =
            text.lines().zip(1..).map(|(text, line)| (line, text.trim())).filter(|(_, text)| !text.is_empty());
        match lines.next() {
            Some((_, HEADING)) => {}
            other => {
                let line = other.map_or(1, |(line, _)| line);
                return Err(BadLine { line, what: format!("the heading {HEADING} is missing") });
            }
        }
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut nodes: Vec<Vec<(Session, usize)>> = Vec::new();
        for (line, text) in lines {
            let (name, session) = session(text).map_err(|what| BadLine { line, what })?;
            let next = names.len();
            let node = *names.entry(name).or_insert(next);
            nodes.resize_with(nodes.len().max(node + 1), Vec::new);
            nodes[node].push((session, line));
        }
        let nodes = nodes.into_iter().map(in_order).collect::<Result<Vec<_>, BadLine>>()?;
        Ok(Trace { nodes })
    }

    /// Its first nodes, so many or all.
    #[must_use]
    pub fn first(mut self, nodes: usize) -> Trace {
        self.nodes.truncate(nodes);
        self
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many are there at this moment.
    pub fn up_at(&self, moment: Span) -> usize {
        self.lives(moment).iter().filter(|life| life.is_up).count()
    }

    /// How many are there at this moment or come later.
    pub fn up_from(&self, moment: Span) -> usize {
        self.lives(moment).len()
    }

    /// The nodes that are there at this moment or come later, those that are there first.
    pub(super) fn lives(&self, moment: Span) -> Vec<Life> {
        let lives = self.nodes.iter().filter_map(|sessions| {
            let ahead = sessions.iter().filter(|session| session.down > moment);
            let turns: Vec<Span> = ahead.flat_map(|session| [session.up, session.down]).collect();
            let is_up = *turns.first()? <= moment;
            let turns = turns.into_iter().skip(usize::from(is_up)).map(|turn| turn.saturating_sub(moment)).collect();
            Some(Life { is_up, turns })
        });
        let (up, later): (Vec<Life>, Vec<Life>) = lives.partition(|life| life.is_up);
        up.into_iter().chain(later).collect()
    }
}

/// What a node of a trace does from some moment on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Life {
    /// Whether it is there at that moment.
    pub(super) is_up: bool,
    /// How long after it the node goes or comes, in turn; the first is ahead.
    pub(super) turns: Vec<Span>,
}

/// A node's sessions in order; those that touch are one.
fn in_order(mut sessions: Vec<(Session, usize)>) -> Result<Vec<Session>, BadLine> {
    sessions.sort_by_key(|(session, line)| (session.up, *line));
    let mut ordered: Vec<Session> = Vec::with_capacity(sessions.len());
    for (session, line) in sessions {
        match ordered.last_mut() {
            Some(last) if last.down > session.up => {
                let what = "this session begins before another of the node has ended".to_owned();
                return Err(BadLine { line, what });
            }
            Some(last) if last.down == session.up => last.down = session.down,
            _ => ordered.push(session),
        }
    }
    Ok(ordered)
}

/// One line.
fn session(text: &str) -> Result<(&str, Session), String> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let [name, up, down] = fields[..] else { return Err(format!("{} fields instead of three", fields.len())) };
    if name.is_empty() {
        return Err("the node has no name".to_owned());
    }
    let (up, down) = (moment(up)?, moment(down)?);
    if up >= down {
        return Err(format!("the session ends at {down} and begins at {up}"));
    }
    Ok((name, Session { up, down }))
}

fn moment(field: &str) -> Result<Span, String> {
    let seconds: f64 = field.parse().map_err(|_| format!("`{field}` is no number of seconds"))?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("{field} s is not from 0 to {SECONDS_MAX}"));
    }
    Ok(Span::from_micros((seconds * 1e6).round() as u64))
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The first line of a trace.
const HEADING: &str = "node,up_s,down_s";
/// Thirty years: longer than any trace, and exact in microseconds.
const SECONDS_MAX: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Span {
        Span::from_secs(secs)
    }

    fn trace() -> Trace {
        Trace::parse("node,up_s,down_s\nb,10,20\na,0,5\n\nb,30,40.5\na,5,15\nc,50,60\n").expect("sound")
    }

    #[test]
    fn nodes_come_and_go_as_the_trace_says() {
        let trace = trace();
        assert_eq!(trace.len(), 3);
        assert_eq!((trace.up_at(secs(0)), trace.up_at(secs(12)), trace.up_at(secs(25))), (1, 2, 0));
        // b first, since it is named first; the sessions of a that touch are one.
        let there = Life { is_up: true, turns: vec![secs(3), secs(13), Span::from_millis(23_500)] };
        assert_eq!(trace.lives(secs(17))[0], there);
        assert_eq!(trace.lives(secs(12))[1], Life { is_up: true, turns: vec![secs(3)] });
        let later = Life { is_up: false, turns: vec![secs(33), secs(43)] };
        assert_eq!(trace.lives(secs(17))[1..], [later]);
        assert_eq!((trace.up_from(secs(17)), trace.up_from(secs(45)), trace.up_from(secs(60))), (2, 1, 0));
    }

    #[test]
    fn a_node_is_there_from_its_first_moment_to_before_its_last() {
        let trace = trace();
        assert_eq!((trace.up_at(secs(50)), trace.up_at(secs(60))), (1, 0));
        assert_eq!(trace.clone().first(1).len(), 1);
        assert_eq!(trace.first(9).len(), 3);
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_wrong() {
        let wrong = |text: &str| Trace::parse(text).expect_err("refused").to_string();
        assert_eq!(wrong(""), "line 1: the heading node,up_s,down_s is missing");
        assert_eq!(wrong("0,1,2\n"), "line 1: the heading node,up_s,down_s is missing");
        assert_eq!(wrong("node,up_s,down_s\n0,1\n"), "line 2: 2 fields instead of three");
        assert_eq!(wrong("node,up_s,down_s\n0,1,2\n\n0,x,9\n"), "line 4: `x` is no number of seconds");
        assert_eq!(wrong("node,up_s,down_s\n0,-1,9\n"), "line 2: -1 s is not from 0 to 1000000000");
        assert_eq!(wrong("node,up_s,down_s\n0,3,3\n"), "line 2: the session ends at 3.0s and begins at 3.0s");
        assert_eq!(wrong("node,up_s,down_s\n,3,4\n"), "line 2: the node has no name");
        let overlap = "node,up_s,down_s\n0,5,9\n1,0,9\n0,1,6\n";
        assert_eq!(wrong(overlap), "line 2: this session begins before another of the node has ended");
    }
}
