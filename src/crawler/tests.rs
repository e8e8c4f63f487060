//! The crawler in a town of toy nodes.
//!
//! Owns: nodes that answer from the truth about a ring, or keep silent, or lie; and what a crawl of them must
//! keep to.
//! Never does: run a real node: `sim/tests/crawl.rs` does.

use super::tuning::VOID_MAX;
use super::*;
use crate::base::Coordinate;
use crate::identity::{NodeName, Role, SecretKey};
use crate::wire::membership::About;
use crate::wire::probe::Bearing;
use crate::wire::{Card, Membership, Probe, Profile};
use std::collections::BTreeMap;

/// What a toy node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// No link comes up.
    Dead,
    /// The link comes up, and nothing is answered.
    Mute,
    /// Names so many nodes that do not exist beside its neighbours.
    Liar(u16),
}

struct Town {
    nodes: BTreeMap<Id, (Contact, Manner)>,
    events: BTreeMap<(Instant, u64), Input>,
    scheduled: u64,
    now: Instant,
    chance: Chance,
    loss: f64,
    open: usize,
    open_max: usize,
}

fn contact(number: u32) -> Contact {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let key = SecretKey::from_seed(seed);
    let name = NodeName { key: key.public(), nonce: 0 };
    Contact::sign(&key, name, &["127.0.0.1:7420".parse().expect("an address")], Role::Server, 1)
}

impl Town {
    fn of(count: u32, manner: impl Fn(u32) -> Manner) -> Town {
        let nodes = (0..count).map(|number| (contact(number), manner(number)));
        Town {
            nodes: nodes.map(|(contact, manner)| (contact.id(), (contact, manner))).collect(),
            events: BTreeMap::new(),
            scheduled: 0,
            now: Instant::ORIGIN,
            chance: Chance::from_seed(5),
            loss: 0.0,
            open: 0,
            open_max: 0,
        }
    }

    fn after(&mut self, span: Span, input: Input) {
        self.scheduled += 1;
        self.events.insert((self.now + span, self.scheduled), input);
    }

    /// The honest truth: four neighbours on each side, and the first node of each slot.
    fn named(&self, of: &Id, about: About) -> Vec<Contact> {
        let others: Vec<&Contact> = self.nodes.values().map(|(contact, _)| contact).filter(|c| c.id() != *of).collect();
        let mut named: Vec<Contact> = match about {
            About::Row(row) => {
                let mut slots = BTreeMap::new();
                for other in others.iter().filter(|c| of.shared_prefix(&c.id()) == usize::from(row)) {
                    slots.entry(other.id().digit(usize::from(row))).or_insert_with(|| Contact::clone(other));
                }
                slots.into_values().collect()
            }
            _ => {
                let side = |after: bool| {
                    let mut ids = others.clone();
                    ids.sort_by_key(|c| if after { of.clockwise(&c.id()) } else { c.id().clockwise(of) });
                    ids.into_iter().take(4).cloned().collect::<Vec<_>>()
                };
                [side(false), side(true)].concat()
            }
        };
        if let (Manner::Liar(lies), About::LeafSet) = (self.nodes[of].1, about) {
            named.extend((0..u32::from(lies)).map(|lie| contact(1_000_000 + lie)));
        }
        named
    }

    fn rows(&self, of: &Id) -> u8 {
        self.nodes.keys().filter(|id| *id != of).map(|id| of.shared_prefix(id) as u8 + 1).max().unwrap_or(0)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { contact } => {
                self.open += 1;
                self.open_max = self.open_max.max(self.open);
                let peer = contact.id();
                match self.nodes.get(&peer).map(|(_, manner)| *manner) {
                    None | Some(Manner::Dead) => {
                        self.after(Span::from_secs(5), Input::DialFailed { peer, why: Fault::DialTimedOut });
                    }
                    Some(_) => self.after(Span::from_millis(30), Input::LinkUp { contact, rtt: Span::from_millis(20) }),
                }
            }
            Effect::HangUp { .. } => self.open -= 1,
            Effect::Send { to, message } => self.answer(&to, &message),
            Effect::DialSeed { address } => self.after(Span::from_secs(2), Input::SeedSilent { address }),
            Effect::Finished => {}
        }
    }

    fn answer(&mut self, of: &Id, message: &Message) {
        let lost = self.chance.happens(self.loss) || self.nodes[of].1 == Manner::Mute;
        let answer = match message {
            _ if lost => return,
            Message::Membership(Membership::ContactsWanted { round, about }) => {
                let named = self.named(of, *about).into_iter();
                let cards =
                    named.map(|contact| Card { contact: contact.into(), coordinate: Coordinate::default() }).collect();
                Membership::Contacts { round: *round, about: *about, ready: true, cards }
            }
            Message::Membership(Membership::ProfileWanted { round }) => {
                let (coordinate, rows) = (Coordinate::default(), self.rows(of));
                let uptime = Span::from_secs(9);
                let program = "toy/1".to_owned();
                let profile = Profile { program, uptime, coordinate, ready: true, links: 8, known: 8, rows };
                Membership::Profile { round: *round, profile }
            }
            _ => return,
        };
        let message = Box::new(Message::Membership(answer));
        self.after(Span::from_millis(20), Input::Heard { from: *of, message });
    }

    fn crawl(&mut self, tuning: Tuning) -> Census {
        let seed = self.nodes.values().find(|(_, manner)| *manner == Manner::Honest).expect("an honest node").0.clone();
        let mut crawler = Crawler::new(Id::ZERO, Tuning { puzzle_bits: 0, ..tuning }, Chance::from_seed(1));
        let mut out = Outbox::new();
        crawler.handle(self.now, Input::Start { contacts: vec![seed], seeds: vec![] }, &mut out);
        for _ in 0..200_000 {
            let effects: Vec<Effect> = out.drain().collect();
            effects.into_iter().for_each(|effect| self.carry_out(effect));
            if crawler.is_over() {
                return crawler.census(self.now);
            }
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            match (next, crawler.next_deadline()) {
                (Some(at), due) if due.is_none_or(|due| at <= due) => {
                    self.now = at;
                    let (_, input) = self.events.pop_first().expect("there is one");
                    crawler.handle(at, input, &mut out);
                }
                (_, Some(due)) => {
                    self.now = due;
                    crawler.handle(due, Input::Due, &mut out);
                }
                _ => panic!("the crawler waits for nothing, and is not through"),
            }
        }
        panic!("the crawl does not end");
    }
}

#[test]
fn everybody_is_found_with_exactly_the_true_edges() {
    let mut town = Town::of(300, |_| Manner::Honest);
    let census = town.crawl(Tuning::default());
    assert_eq!(census.visited().count(), 300);
    for (_, node, visit) in census.visited() {
        assert!(visit.complete);
        let id = node.id();
        let mut truth: Vec<Id> = town.named(&id, About::LeafSet).iter().map(Contact::id).collect();
        truth.extend((0..town.rows(&id)).flat_map(|row| town.named(&id, About::Row(row))).map(|c| c.id()));
        truth.sort_unstable();
        truth.dedup();
        let mut found: Vec<Id> = visit.edges.iter().map(|edge| census.nodes[edge.to as usize].id()).collect();
        found.sort_unstable();
        // Rows within the reach of the leaf set name nobody whom the leaf set does not.
        assert_eq!(found, truth);
        assert!(node.messages() <= u64::from(tuning::MESSAGES_MAX), "{} messages", node.messages());
    }
    let summary = Summary::of(&census);
    assert_eq!((summary.coverage.coverage_estimate, summary.partial), (1.0, 0));
    assert_eq!(summary.nodes.programs, BTreeMap::from([("toy/1".to_owned(), 300)]));
}

#[test]
fn no_more_nodes_are_visited_at_once_or_in_all_than_was_asked_for() {
    let mut town = Town::of(200, |_| Manner::Honest);
    let census = town.crawl(Tuning { workers: 7, limit: 60, ..Tuning::default() });
    assert_eq!((census.visited().count(), town.open_max), (60, 7));
    let coverage = Coverage::of(&census);
    assert!(coverage.unvisited > 0 && coverage.coverage_estimate < 1.0, "{coverage:?}");
}

#[test]
fn lost_messages_are_asked_for_again_within_the_budget() {
    let mut town = Town::of(200, |_| Manner::Honest);
    town.loss = 0.05;
    let census = town.crawl(Tuning::default());
    assert_eq!(census.visited().count(), 200);
    assert!(census.frame.tally.repeated > 20, "{:?}", census.frame.tally);
    assert!(census.nodes.iter().all(|node| node.messages() <= u64::from(tuning::MESSAGES_MAX)));
}

#[test]
fn the_dead_and_the_silent_end_as_what_they_are() {
    let mut town = Town::of(200, |number| match number % 10 {
        3 => Manner::Dead,
        7 => Manner::Mute,
        _ => Manner::Honest,
    });
    let census = town.crawl(Tuning::default());
    let summary = Summary::of(&census);
    assert_eq!(summary.errors, BTreeMap::from([("dial_timed_out", 20), ("silent", 20)]));
    assert_eq!(summary.coverage.visited, 160);
    let sessions = |fault| census.nodes.iter().filter(move |n| n.outcome == Outcome::Failed(fault)).map(|n| n.sessions);
    assert!(sessions(Fault::DialTimedOut).all(|sessions| sessions == 3));
    assert!(census.nodes.iter().all(|node| node.messages() <= u64::from(tuning::MESSAGES_MAX)));
}

#[test]
fn a_liars_inventions_are_dialled_only_so_often() {
    let lies = 80;
    let mut town = Town::of(100, |number| if number == 50 { Manner::Liar(lies) } else { Manner::Honest });
    let census = town.crawl(Tuning { workers: 8, ..Tuning::default() });
    let summary = Summary::of(&census);
    assert_eq!((summary.coverage.visited, summary.coverage.failed), (100, usize::from(lies)));
    let dialled = census.nodes.iter().filter(|node| node.sessions > 0).count() - 100;
    assert!(dialled >= VOID_MAX as usize && dialled < 60, "{dialled} of {lies} inventions dialled");
    assert!(summary.errors["doubted"] + dialled == usize::from(lies));
}

#[test]
fn a_crawl_that_is_stopped_closes_its_links_and_says_so() {
    let (mut out, now) = (Outbox::new(), Instant::ORIGIN);
    let mut crawler = Crawler::new(Id::ZERO, Tuning { puzzle_bits: 0, ..Tuning::default() }, Chance::from_seed(1));
    let contacts = vec![contact(1), contact(2)];
    crawler.handle(now, Input::Start { contacts, seeds: vec![] }, &mut out);
    crawler.handle(now, Input::LinkUp { contact: Arc::new(contact(1)), rtt: Span::from_millis(9) }, &mut out);
    out.drain();
    crawler.handle(now + Span::from_secs(1), Input::Stop, &mut out);
    let effects: Vec<Effect> = out.drain().collect();
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::HangUp { .. })).count(), 2);
    assert!(matches!(effects.last(), Some(Effect::Finished)) && crawler.is_over());
    let census = crawler.census(now);
    assert!(census.frame.stopped && census.nodes.iter().all(|node| node.outcome == Outcome::Failed(Fault::Stopped)));
}

#[test]
fn a_node_that_floods_the_crawler_is_not_answered_beyond_the_budget() {
    let (mut out, now, id) = (Outbox::new(), Instant::ORIGIN, contact(1).id());
    let mut crawler = Crawler::new(Id::ZERO, Tuning { puzzle_bits: 0, ..Tuning::default() }, Chance::from_seed(1));
    crawler.handle(now, Input::Start { contacts: vec![contact(1)], seeds: vec![] }, &mut out);
    crawler.handle(now, Input::LinkUp { contact: Arc::new(contact(1)), rtt: Span::from_millis(9) }, &mut out);
    for round in 0..70_000 {
        let ping = Message::Probe(Probe::Ping { round, bearing: Bearing::default() });
        crawler.handle(now, Input::Heard { from: id, message: Box::new(ping) }, &mut out);
    }
    let sent = out.drain().filter(|effect| matches!(effect, Effect::Send { .. })).count();
    assert!(sent <= usize::from(tuning::MESSAGES_MAX), "{sent} messages sent");
}

#[test]
fn what_came_and_what_went_is_told_by_two_crawls() {
    let before = Town::of(40, |_| Manner::Honest).crawl(Tuning::default());
    let now = Town::of(44, |number| if number < 4 { Manner::Dead } else { Manner::Honest }).crawl(Tuning::default());
    let change = Change::between(&before, &now);
    assert_eq!((change.came.len(), change.went.len(), change.stayed), (4, 4, 36));
    assert!(change.restarted.is_empty() && change.edges_went > 0);
    assert_eq!(Change::between(&now, &now), Change { stayed: 40, ..Change::default() });
}

#[test]
fn every_line_of_the_outputs_is_what_it_says() {
    let census =
        Town::of(30, |number| if number == 3 { Manner::Dead } else { Manner::Honest }).crawl(Tuning::default());
    let parse = |line: String| serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    let visits: Vec<_> = rows::visits(&census).map(parse).collect();
    assert_eq!(visits.len(), 30);
    assert_eq!(visits.iter().filter(|line| line["outcome"] == "visited" && line["program"] == "toy/1").count(), 29);
    let failed = visits.iter().find(|line| line["outcome"] == "failed").expect("the dead one");
    assert_eq!(failed["error"], "dial_timed_out");
    let neighbors: Vec<_> = rows::neighbors(&census).map(parse).collect();
    let edges: usize = neighbors.iter().map(|line| line["neighbors"].as_array().expect("a list").len()).sum();
    assert_eq!(rows::edges(&census).count(), edges + 1);
    assert!(rows::edges(&census).all(|line| line.split(',').count() == 5));
    let overlay = census.overlay();
    let dead_named = rows::edges(&census).filter(|line| line.contains(&contact(3).id().to_string())).count();
    assert_eq!((overlay.nodes.len(), overlay.edges.len()), (29, edges - dead_named));
}
