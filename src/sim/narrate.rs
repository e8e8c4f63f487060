//! A world's story in short lines.
//!
//! Owns: the names of nodes and ids in a story, and one line for each note.
//! Never does: show a raw hash, or anything that changes from run to run.

use super::book::Note;
use super::world::World;
use crate::base::Id;
use crate::overlay::router::Down;
use crate::overlay::{Command, Failure, Reply};
use crate::wire::directory::{Answer, Request};
use crate::wire::membership::About;
use crate::wire::routing::{Errand, Header, Outcome, ReturnHeader, TraceHop, Why};
use crate::wire::{Directory, Membership, Message, Probe, Routing};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Tells notes as lines. It knows nodes by letters and learns the names of keys and objects.
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    names: BTreeMap<Id, String>,
}

impl Narrator {
    /// A narrator who knows the nodes of this world.
    pub fn of(world: &World) -> Narrator {
        let nodes = world.nodes().iter().enumerate();
        Narrator { names: nodes.map(|(index, node)| (node.contact().id(), node_name(index))).collect() }
    }

    /// Calls this id so from now on, and its salted variants `name~1` and so on.
    pub fn call(&mut self, id: Id, name: &str) {
        self.names.insert(id, name.to_owned());
        for salt in 1..crate::overlay::directory::ROOTS_PER_OBJECT {
            self.names.insert(id.salted(salt), format!("{name}~{salt}"));
        }
    }

    /// What this id is called.
    pub fn name(&self, id: &Id) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| "?".to_owned())
    }

    /// The line for a note.
    pub fn tell(&self, note: &Note) -> String {
        match note {
            Note::Said { from, to, message, .. } => {
                format!("{} -> {} {}", node_name(*from), node_name(*to), self.message(message))
            }
            Note::LinkUp { from, to, .. } => format!("{} == {} linked", node_name(*from), node_name(*to)),
            Note::LinkDown { node, peer, why, .. } => {
                let why = match why {
                    Down::Closed(reason) => format!("closed: {reason}"),
                    Down::Lost => "lost".to_owned(),
                    Down::Ours => "hung up".to_owned(),
                };
                format!("{} x  {} {why}", node_name(*node), node_name(*peer))
            }
            Note::Ready { node, ready: true, .. } => format!("{} ready", node_name(*node)),
            Note::Ready { node, ready: false, .. } => format!("{} no longer ready", node_name(*node)),
            Note::Ended { node, result, .. } => format!("{} {}", node_name(*node), self.result(result)),
            Note::Stopped { node, .. } => format!("{} stopped", node_name(*node)),
        }
    }

    /// A result in a line.
    pub fn result(&self, result: &Result<Reply, Failure>) -> String {
        match result {
            Ok(Reply::Root(root)) => format!("root {} hops={}", self.name(&root.contact.id()), root.hops),
            Ok(Reply::Stored { object, receipts }) => {
                format!("stored {} receipts={}", self.name(object), receipts.len())
            }
            Ok(Reply::Value { value, from, replicas }) => {
                let (object, from) = (self.name(&value.id()), self.name(from));
                format!("value {object} v{} from={from} replicas={replicas}", value.version())
            }
            Ok(Reply::Published { object, roots }) => format!("published {} roots={roots}", self.name(object)),
            Ok(Reply::Unpublished { object, roots }) => format!("unpublished {} roots={roots}", self.name(object)),
            Ok(Reply::Holders { holders, .. }) => {
                let names: Vec<String> = holders.iter().map(|holder| self.name(&holder.contact.id())).collect();
                format!("holders [{}]", names.join(" "))
            }
            Ok(Reply::Router(_)) => "router status".to_owned(),
            Ok(Reply::Directory(_)) => "directory status".to_owned(),
            Err(failure) => format!("failed: {}", self.failure(failure)),
        }
    }

    /// A hop of a traced lookup in a line.
    pub fn hop(&self, hop: &TraceHop) -> String {
        format!("{} -> {} {}", self.name(&hop.at), self.name(&hop.next), self.why(hop.why))
    }

    fn why(&self, why: Why) -> String {
        match why {
            Why::LeafSet => "leaf-set".to_owned(),
            Why::LongerPrefix { digits } => format!("longer-prefix({digits})"),
            Why::SamePrefixCloser => "same-prefix-closer".to_owned(),
            Why::Holds => "holds".to_owned(),
            Why::Detour { to } => format!("detour({})", self.name(&to)),
        }
    }

    fn failure(&self, failure: &Failure) -> String {
        match failure {
            Failure::NoRoute { at } => format!("no route at {}", self.name(at)),
            Failure::HopBudget { at } => format!("hop budget at {}", self.name(at)),
            Failure::Silence { at } => format!("silence at {}", self.name(at)),
            other => other.to_string(),
        }
    }

    fn message(&self, message: &Message) -> String {
        match message {
            Message::Routing(Routing::Forward(header, payload)) => self.forward(header, payload),
            Message::Routing(Routing::Return(header, payload)) => self.reply(header, payload),
            Message::Routing(Routing::Accept(labels)) => format!("routing.accept {}", labels.len()),
            Message::Routing(Routing::Holds(holds)) => format!("routing.holds {}", holds.copies.len()),
            Message::Routing(Routing::HearsayWanted) => "routing.hearsay-wanted".to_owned(),
            Message::Routing(Routing::Hearsay(heard)) => format!("routing.hearsay {}", heard.len()),
            Message::Probe(probe) => self.probe(probe),
            Message::Membership(membership) => self.membership(membership),
            Message::Directory(directory) => self.directory(directory),
        }
    }

    fn forward(&self, header: &Header, payload: &Bytes) -> String {
        let errand = match header.errand {
            Errand::Lookup => "lookup".to_owned(),
            Errand::Root | Errand::Nearest | Errand::Deposit => {
                let request = crate::wire::codec::decode::<Request>(payload);
                request.map_or("unreadable".to_owned(), |request| self.request(&request))
            }
        };
        let detour = header.detour.map(|detour| format!(" detour({})", self.name(&detour.to))).unwrap_or_default();
        format!("routing.forward {} hops={}{detour} {errand}", self.name(&header.key), header.hops)
    }

    fn reply(&self, header: &ReturnHeader, payload: &Bytes) -> String {
        let answer = match crate::wire::codec::decode::<Answer>(payload) {
            Ok(answer) if !payload.is_empty() => format!(" {}", self.answer(&answer)),
            _ => String::new(),
        };
        let outcome = match header.outcome {
            Outcome::Answered { by } => format!("answered by={}{answer}", self.name(&by)),
            Outcome::NoRoute { at } => format!("no-route at={}", self.name(&at)),
            Outcome::HopBudget { at } => format!("hop-budget at={}", self.name(&at)),
            Outcome::Silence { at } => format!("silence at={}", self.name(&at)),
            Outcome::Busy { at } => format!("busy at={}", self.name(&at)),
        };
        format!("routing.return {outcome}")
    }

    fn probe(&self, probe: &Probe) -> String {
        match probe {
            Probe::Ping { .. } => "probe.ping".to_owned(),
            Probe::Pong { .. } => "probe.pong".to_owned(),
            Probe::Beat { .. } => "probe.beat".to_owned(),
            Probe::Gone { suspect } => format!("probe.gone {}", self.name(suspect)),
            Probe::PingFor { suspect, .. } => format!("probe.ping-for {}", self.name(&suspect.contact.id())),
            Probe::PongFor { suspect, alive, .. } => format!("probe.pong-for {} alive={alive}", self.name(suspect)),
            Probe::Reach { links } => format!("probe.reach {}", links.len()),
        }
    }

    fn membership(&self, membership: &Membership) -> String {
        let about = |about: &About| match about {
            About::LeafSet => "leaf-set".to_owned(),
            About::Row(row) => format!("row({row})"),
            About::Place(id) => format!("place({})", self.name(id)),
            About::Nearby => "nearby".to_owned(),
            About::Node(prefix) => format!("node({})", self.name(&Id::from_prefix(*prefix))),
        };
        match membership {
            Membership::ContactsWanted { about: what, .. } => format!("membership.contacts-wanted {}", about(what)),
            Membership::Contacts { about: what, cards, ready, .. } => {
                format!("membership.contacts {} ready={ready} cards={}", about(what), cards.len())
            }
            Membership::Announce { ready, leaf_set, .. } => {
                format!("membership.announce {} ready={ready}", leaf_set.len())
            }
            Membership::LeafSet { cards, leaf_set, ready, .. } => {
                format!("membership.leaf-set {} ready={ready} cards={}", leaf_set.len(), cards.len())
            }
            Membership::Leaving { heirs } => format!("membership.leaving heirs={}", heirs.len()),
            Membership::ProfileWanted { .. } => "membership.profile-wanted".to_owned(),
            Membership::Profile { profile, .. } => {
                format!("membership.profile {} ready={} rows={}", profile.program, profile.ready, profile.rows)
            }
        }
    }

    fn directory(&self, directory: &Directory) -> String {
        match directory {
            Directory::Ask { request, .. } => format!("directory.ask {}", self.request(request)),
            Directory::Answer { object, answer, .. } => {
                format!("directory.answer {} {}", self.name(object), self.answer(answer))
            }
            Directory::Offer { entries } => {
                let names: Vec<String> = entries.iter().map(|entry| self.name(&entry.object)).collect();
                format!("directory.offer [{}]", names.join(" "))
            }
            Directory::Wanted { objects } => {
                let names: Vec<String> = objects.iter().map(|object| self.name(object)).collect();
                format!("directory.wanted [{}]", names.join(" "))
            }
            Directory::Kept { objects } => {
                let names: Vec<String> = objects.iter().map(|object| self.name(object)).collect();
                format!("directory.kept [{}]", names.join(" "))
            }
            Directory::Enlist { root, lease, .. } => format!("directory.enlist {} for {lease}", self.name(root)),
            Directory::Serving { root, served, .. } => format!("directory.serving {} {served} times", self.name(root)),
            Directory::Decline { root } => format!("directory.decline {}", self.name(root)),
            Directory::Dismiss { root } => format!("directory.dismiss {}", self.name(root)),
            Directory::Compare { ranges, .. } => format!("directory.compare ranges={}", ranges.len()),
            Directory::Compared { sums, .. } => {
                let counts: Vec<String> = sums.iter().map(|sum| sum.count.to_string()).collect();
                format!("directory.compared [{}]", counts.join(" "))
            }
            Directory::Renew { ranges, named, .. } => {
                let verb = if *named { "renew and name" } else { "renew" };
                format!("directory.{verb} ranges={}", ranges.len())
            }
            Directory::Renewed { sums, claims, .. } => {
                let counts: Vec<String> = sums.iter().map(|sum| sum.count.to_string()).collect();
                format!("directory.renewed [{}] names={}", counts.join(" "), claims.len())
            }
        }
    }

    fn request(&self, request: &Request) -> String {
        match request {
            Request::Publish { root, pointer, .. } => {
                let verb = if pointer.withdraws() { "withdraw" } else { "publish" };
                format!("{verb} {} holder={}", self.name(root), self.name(&pointer.holder.id()))
            }
            Request::Locate { root, .. } => format!("locate {}", self.name(root)),
            Request::Put { value, replicas, .. } => format!("put {} replicas={replicas}", self.name(&value.id())),
            Request::Get { object, .. } => format!("get {}", self.name(object)),
            Request::Fetch { object } => format!("fetch {}", self.name(object)),
            Request::Replicate { value, receipt: true, .. } => format!("replicate {}", self.name(&value.id())),
            Request::Replicate { value, .. } => format!("push {}", self.name(&value.id())),
            Request::Who { object } => format!("who {}", self.name(object)),
        }
    }

    fn answer(&self, answer: &Answer) -> String {
        match answer {
            Answer::Published { .. } => "published".to_owned(),
            Answer::Holders { holders, .. } => {
                let names: Vec<String> = holders.iter().map(|holder| self.name(&holder.contact.id())).collect();
                format!("holders [{}]", names.join(" "))
            }
            Answer::Stored { receipts } => format!("stored receipts={}", receipts.len()),
            Answer::Value { value, replicas, .. } => format!("value {} replicas={replicas}", self.name(&value.id())),
            Answer::Busy { others } => format!("busy, {} others", others.len()),
            Answer::NotFound => "not-found".to_owned(),
            Answer::Kept => "kept".to_owned(),
            Answer::Refused(refusal) => format!("refused: {refusal}"),
        }
    }
}

/// What the node of this number is called: `a` to `z`, then `a1` to `z1`, and so on.
pub fn node_name(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// What a wish is called.
pub fn wish_name(command: &Command) -> &'static str {
    match command {
        Command::Lookup { .. } => "lookup",
        Command::Put { .. } => "put",
        Command::Get { .. } => "get",
        Command::Publish { .. } => "publish",
        Command::Unpublish { .. } => "unpublish",
        Command::Locate { .. } => "locate",
        Command::RouterStatus => "router status",
        Command::DirectoryStatus { .. } => "directory status",
        Command::Leave => "leave",
    }
}
