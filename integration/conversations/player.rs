//! Who plays a conversation.
//!
//! Owns: the verbs of scripts, and which notes each case tells.
//! Never does: guess: a line it does not understand is answered with `?`.
//!
//! Verbs (nodes are letters, objects and keys are words):
//! `seed 3` · `leaf-set 2` · `links 6` · `nodes 4` (joined and at rest) · `join` · `crowd 3` · `kill b` · `restart b` ·
//! `leave b` · `rest` · `pass 5s` · `cut b c` (nothing passes between these and the rest) · `heal` · `loss 0.5` ·
//! `lookup a KEY` · `path a KEY` · `near KEY b` (KEY is the first of a row of words whose root is b) · `put a OBJECT` ·
//! `record a OBJECT VERSION` · `get a OBJECT` · `publish a OBJECT` · `unpublish a OBJECT` · `locate a OBJECT` ·
//! `hear WHAT…` (tell only notes with one of these words; `hear all`, `hear nothing`) · `views` · `disks OBJECT`

use arras::base::{Id, Span};
use arras::overlay::{Command, Failure, Reply};
use arras::sim::narrate::{Narrator, node_name};
use arras::sim::underlay::Uniform;
use arras::sim::{Note, Plan, Stage};
use arras::wire::Blob;
use arras::wire::object::{Record, Value, record_id};
use std::collections::BTreeMap;

/// Plays the cases of one script on one stage.
pub struct Player {
    seed: u64,
    leaf_set: Option<usize>,
    links: Option<usize>,
    stage: Option<Stage>,
    /// Words for keys and objects.
    words: BTreeMap<String, Id>,
    heard: Vec<String>,
}

impl Player {
    pub fn new() -> Player {
        let heard = ["directory", "membership.leaving", "routing.forward", "routing.return"];
        Player {
            seed: 1,
            leaf_set: None,
            links: None,
            stage: None,
            words: BTreeMap::new(),
            heard: heard.map(str::to_owned).to_vec(),
        }
    }

    /// Plays the commands of one case; gives what there is to say.
    pub fn play(&mut self, commands: &[String]) -> Vec<String> {
        let mut said = Vec::new();
        for command in commands {
            let words: Vec<&str> = command.split_whitespace().collect();
            match self.act(&words) {
                Ok(lines) => {
                    said.extend(self.notes());
                    said.extend(lines);
                }
                Err(why) => said.push(format!("? {command}: {why}")),
            }
        }
        said
    }

    fn act(&mut self, words: &[&str]) -> Result<Vec<String>, String> {
        match words {
            ["seed", seed] => self.seed = number(seed)? as u64,
            ["leaf-set", per_side] => self.leaf_set = Some(number(per_side)?),
            ["links", budget] => self.links = Some(number(budget)?),
            ["hear", what @ ..] => self.heard = what.iter().map(|word| (*word).to_owned()).collect(),
            ["nodes", count] => {
                let count = number(count)?;
                self.stage().join(count);
                self.stage().rest();
                let told = self.notes();
                let ready = |line: &String| line.ends_with(" ready");
                return Ok(told.into_iter().filter(ready).collect());
            }
            ["join"] => self.stage().join(1),
            ["crowd", count] => {
                let count = number(count)?;
                self.stage().join_crowd(count);
            }
            ["kill", node] => {
                let node = self.node(node)?;
                self.stage().kill(node);
            }
            ["restart", node] => {
                let node = self.node(node)?;
                self.stage().restart(node);
            }
            ["leave", node] => {
                let node = self.node(node)?;
                self.stage().leave(node);
            }
            ["rest"] => {
                if !self.stage().rest() {
                    return Err("there is no rest".to_owned());
                }
            }
            ["pass", span] => {
                let span = parse_span(span)?;
                self.stage().pass(span);
            }
            ["cut", nodes @ ..] => {
                let group = nodes.iter().map(|node| self.node(node)).collect::<Result<Vec<usize>, String>>()?;
                self.stage().partition(&[group]);
            }
            ["heal"] => self.stage().heal(),
            ["loss", share] => {
                self.stage().world.weather.loss = share.parse().map_err(|_| "not a share")?;
            }
            _ => return self.ask(words),
        }
        Ok(Vec::new())
    }

    /// Verbs that bring an answer.
    fn ask(&mut self, words: &[&str]) -> Result<Vec<String>, String> {
        match words {
            ["lookup", node, key] => {
                let (node, key) = (self.node(node)?, self.key(key));
                let result = self.stage().ask(node, Command::Lookup { key, traced: false });
                Ok(self.result(node, &result))
            }
            ["path", node, key] => self.path(node, key),
            ["near", key, node] => {
                let node = self.node(node)?;
                self.near(key, node)
            }
            ["views"] => Ok(self.views()),
            ["disks", object] => Ok(vec![self.disks(object)]),
            [verb, node, object, rest @ ..] => {
                let node = self.node(node)?;
                let command = self.command(verb, node, object, rest)?;
                let result = self.stage().ask(node, command);
                Ok(self.result(node, &result))
            }
            _ => Err("no such verb".to_owned()),
        }
    }

    fn command(&mut self, verb: &str, node: usize, object: &str, rest: &[&str]) -> Result<Command, String> {
        let lifetime = Span::from_hours(1);
        let blob = Value::Blob(Blob::from(object.as_bytes().to_vec()));
        match (verb, rest) {
            ("put" | "publish", []) => {
                self.call(object, blob.id());
                Ok(match verb {
                    "put" => Command::Put { value: blob, lifetime, replicas: 0, expected: None },
                    _ => Command::Publish { value: blob, lifetime: None },
                })
            }
            ("record", [version]) => {
                let sequence = number(version)? as u64;
                let key = self.stage().world.nodes()[node].key();
                let id = record_id(&key.public(), object.as_bytes());
                let record = Record::sign(key, object.as_bytes(), sequence, version.as_bytes().to_vec());
                self.call(object, id);
                Ok(Command::Put { value: Value::Record(record), lifetime, replicas: 0, expected: None })
            }
            ("get", []) => Ok(Command::Get { object: self.object(object) }),
            ("unpublish", []) => Ok(Command::Unpublish { object: self.object(object) }),
            ("locate", []) => Ok(Command::Locate { object: self.object(object) }),
            _ => Err("no such verb".to_owned()),
        }
    }

    /// The path of a traced lookup, hop by hop and why.
    fn path(&mut self, node: &str, key: &str) -> Result<Vec<String>, String> {
        let (node, key) = (self.node(node)?, self.key(key));
        let result = self.stage().lookup(node, key);
        let narrator = self.narrator();
        let mut lines = match &result {
            Ok(root) => root.trace.iter().map(|hop| narrator.hop(hop)).collect(),
            Err(_) => Vec::new(),
        };
        lines.extend(self.result(node, &result.map(Reply::Root)));
        Ok(lines)
    }

    /// Looks for a word whose hash has this node as its root, and calls it by the name given.
    fn near(&mut self, name: &str, node: usize) -> Result<Vec<String>, String> {
        for round in 0..10_000 {
            let id = Id::hash_of(format!("{name} {round}").as_bytes());
            if self.stage().root_of(&id) == Some(node) {
                self.call(name, id);
                return Ok(Vec::new());
            }
        }
        Err("no such key among ten thousand".to_owned())
    }

    fn views(&mut self) -> Vec<String> {
        let narrator = self.narrator();
        let names = |ids: &[Id]| ids.iter().map(|id| narrator.name(id)).collect::<Vec<_>>().join(" ");
        let nodes = self.stage().world.nodes().iter().enumerate();
        let line = |(index, node): (usize, &arras::sim::Node)| match node.view() {
            None => format!("{} down", node_name(index)),
            Some(view) => {
                let ready = if view.ready { "ready" } else { "not ready" };
                let (before, after) = (names(&view.leaf_set.before), names(&view.leaf_set.after));
                format!("{} {ready} leaves [{before} | {after}] peers {}", node_name(index), view.peers.len())
            }
        };
        nodes.map(line).collect()
    }

    fn disks(&mut self, object: &str) -> String {
        let id = self.object(object);
        let now = self.stage().now();
        let nodes = self.stage().world.nodes().iter().enumerate();
        let kept = nodes.filter_map(|(index, node)| {
            let (version, terms) = node.disk.holds(&id, now)?;
            let published = terms.published.map_or("", |_| "Published");
            let replica = terms.replica.map_or("", |_| "Replica");
            Some(format!("{}:v{version}:{published}{replica}", node_name(index)))
        });
        format!("{object} on disk at [{}]", kept.collect::<Vec<_>>().join(" "))
    }

    fn result(&mut self, node: usize, result: &Result<Reply, Failure>) -> Vec<String> {
        vec![format!("{} {}", node_name(node), self.narrator().result(result))]
    }

    /// What was said since the last time, as far as it is to be heard. Results are told by the verbs.
    fn notes(&mut self) -> Vec<String> {
        if self.stage.is_none() {
            return Vec::new();
        }
        let narrator = self.narrator();
        let stage = self.stage();
        let notes = stage.world.notes();
        let told = notes.iter().filter(|note| !matches!(note, Note::Ended { .. })).map(|note| narrator.tell(note));
        let heard = |line: &String| self.heard.iter().any(|word| word == "all" || line.contains(word.as_str()));
        told.filter(heard).collect()
    }

    fn narrator(&mut self) -> Narrator {
        let mut narrator = Narrator::of(&self.stage().world);
        for (word, id) in &self.words {
            narrator.call(*id, word);
        }
        narrator
    }

    fn call(&mut self, word: &str, id: Id) {
        self.words.insert(word.to_owned(), id);
    }

    fn key(&mut self, word: &str) -> Id {
        *self.words.entry(word.to_owned()).or_insert_with(|| Id::hash_of(word.as_bytes()))
    }

    fn object(&mut self, word: &str) -> Id {
        self.key(word)
    }

    fn node(&mut self, name: &str) -> Result<usize, String> {
        let count = self.stage().world.nodes().len();
        (0..count).find(|index| node_name(*index) == name).ok_or_else(|| format!("there is no node {name}"))
    }

    /// The stage; it is built when the first verb needs it, so that settings come before.
    fn stage(&mut self) -> &mut Stage {
        let (seed, leaf_set, links) = (self.seed, self.leaf_set, self.links);
        self.stage.get_or_insert_with(|| {
            let mut plan = Plan { underlay: Box::new(Uniform(Span::from_millis(10))), ..Plan::from_seed(seed) };
            plan.shards = 1;
            plan.router.leaf_set_per_side = leaf_set.unwrap_or(plan.router.leaf_set_per_side);
            plan.router.link_budget = links.unwrap_or(plan.router.link_budget);
            let mut stage = Stage::with(plan);
            stage.world.take_notes();
            stage
        })
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn parse_span(text: &str) -> Result<Span, String> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Span::from_millis(number(millis)? as u64));
    }
    let secs = text.strip_suffix('s').ok_or("a span ends in s or ms")?;
    Ok(Span::from_secs(number(secs)? as u64))
}
