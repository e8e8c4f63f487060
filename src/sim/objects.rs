//! Many objects: published by nodes of a world, asked for by others.
//!
//! Owns: who publishes what and who asks for it, drawn evenly; the pace; the copy each asker would fetch, or got.
//! Never does: leave a failure out, or let a node ask for what it holds itself.

use super::direct::Walker;
use super::pace::{Outcome, Pace};
use super::stage::Stage;
use super::underlay::Underlay;
use crate::base::{Chance, Id, Span};
use crate::overlay::{Command, Failure, Reply};
use crate::survey::Find;
use crate::wire::Blob;
use crate::wire::object::Value;

/// An object, and the nodes that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes; its id is their hash.
    pub bytes: [u8; 32],
    /// By number; the first one made it.
    pub holders: Vec<usize>,
}

/// What came of publishing.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The objects with those holders whose claim stands at a root at least.
    pub objects: Vec<Object>,
    /// Claims wished for.
    pub claims: usize,
    /// Roots at which a claim does not stand although it stands at another.
    pub roots_missing: usize,
    /// Why the claims that stand nowhere failed.
    pub failures: Vec<String>,
}

/// Draws `each` objects of every node, each held by `copies` nodes: that one, and others drawn evenly.
pub fn draw_objects(chance: &mut Chance, nodes: &[usize], each: usize, copies: usize) -> Vec<Object> {
    let copies = copies.min(nodes.len());
    let draw = |_| {
        nodes
            .iter()
            .map(|node| {
                let mut holders = vec![*node];
                while holders.len() < copies {
                    let other = nodes[chance.index(nodes.len())];
                    if !holders.contains(&other) {
                        holders.push(other);
                    }
                }
                Object { bytes: chance.bytes32(), holders }
            })
            .collect::<Vec<_>>()
    };
    (0..each).flat_map(draw).collect()
}

/// Lets every node ask `each` times, all nodes once before any asks again, for objects (by place) that others hold.
/// Nodes that hold all there is ask for nothing.
pub fn draw_asks(chance: &mut Chance, askers: &[usize], objects: &[Object], each: usize) -> Vec<(usize, usize)> {
    let is_anothers = |asker: usize, object: &Object| !object.holders.is_empty() && !object.holders.contains(&asker);
    let able: Vec<usize> =
        askers.iter().copied().filter(|asker| objects.iter().any(|object| is_anothers(*asker, object))).collect();
    let mut asks = Vec::with_capacity(able.len() * each);
    for asker in (0..each).flat_map(|_| able.iter().copied()) {
        let object = loop {
            let drawn = chance.index(objects.len());
            if is_anothers(asker, &objects[drawn]) {
                break drawn;
            }
        };
        asks.push((asker, object));
    }
    asks
}

impl Object {
    /// Its id.
    pub fn id(&self) -> Id {
        self.value().id()
    }

    fn value(&self) -> Value {
        Value::Blob(Blob::from(self.bytes.to_vec()))
    }
}

impl Stage {
    /// Publishes all at an even pace of `per_second`, and waits until every claim stands or has failed.
    pub fn publish_all(&mut self, objects: Vec<Object>, per_second: f64, progress: &mut dyn FnMut(usize)) -> Published {
        let of = |at: usize| objects[at].holders.iter().map(move |holder| (at, *holder));
        let claims: Vec<(usize, usize)> = (0..objects.len()).flat_map(of).collect();
        let wish = |_: &Stage, index: usize| {
            let (at, holder) = claims[index];
            (holder, Command::Publish { value: objects[at].value(), lifetime: None })
        };
        let outcomes = self.at_pace(claims.len(), wish, Pace { per_second, wait: ANSWER_MAX }, progress);
        let mut published = Published { claims: outcomes.len(), ..Published::default() };
        let bare = |object: &Object| Object { bytes: object.bytes, holders: Vec::new() };
        published.objects = objects.iter().map(bare).collect();
        for ((at, holder), outcome) in claims.into_iter().zip(outcomes) {
            match outcome.result {
                Some((_, Ok(Reply::Published { roots, .. }))) => {
                    published.objects[at].holders.push(holder);
                    published.roots_missing += usize::from(crate::overlay::directory::ROOTS_PER_OBJECT - roots);
                }
                other => published.failures.push(failure(other)),
            }
        }
        published
    }

    /// Lets these askers locate these objects at an even pace of `per_second`. A find is the holder a get would fetch
    /// from first, and one round trip there.
    pub fn locate_all(
        &mut self,
        asks: &[(usize, usize)],
        objects: &[Object],
        per_second: f64,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<Find, String>> {
        let outcomes = self.ask_all(asks, |object| Command::Locate { object }, objects, per_second, progress);
        let found = |((asker, object), outcome): (&(usize, usize), Outcome)| {
            self.find(*asker, &objects[*object].holders, outcome)
        };
        asks.iter().zip(outcomes).map(found).collect()
    }

    /// Lets these askers get these objects at an even pace of `per_second`. A find is the holder whose copy came, and the time
    /// from the wish until it was there and checked.
    pub fn fetch_all(
        &mut self,
        asks: &[(usize, usize)],
        objects: &[Object],
        per_second: f64,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<Find, String>> {
        let outcomes = self.ask_all(asks, |object| Command::Get { object }, objects, per_second, progress);
        let got = |((asker, object), outcome): (&(usize, usize), Outcome)| match outcome.result {
            Some((took, Ok(Reply::Value { from, .. }))) => {
                // Who answers from a copy of its own holds it as well.
                let from = self.world.index_of(&from).ok_or("a copy from nowhere")?;
                Ok(self.found(*asker, &objects[*object].holders, from, (took, Span::ZERO)))
            }
            other => Err(failure(other)),
        };
        asks.iter().zip(outcomes).map(got).collect()
    }

    /// Lets these askers ask so for these objects, at an even pace.
    fn ask_all(
        &mut self,
        asks: &[(usize, usize)],
        command: impl Fn(Id) -> Command,
        objects: &[Object],
        per_second: f64,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Outcome> {
        let wish = |_: &Stage, index: usize| {
            let (asker, object) = asks[index];
            (asker, command(objects[object].id()))
        };
        self.at_pace(asks.len(), wish, Pace { per_second, wait: ANSWER_MAX }, progress)
    }

    fn find(&self, asker: usize, holders: &[usize], outcome: Outcome) -> Result<Find, String> {
        let (located, named) = match outcome.result {
            Some((located, Ok(Reply::Holders { holders, .. }))) => (located, holders),
            other => return Err(failure(other)),
        };
        let first = named.first().and_then(|holder| self.world.index_of(&holder.contact.id()));
        let first = first.filter(|first| holders.contains(first)).ok_or("a holder that holds nothing")?;
        let fetch = self.world.plan().underlay.round_trip(asker, first);
        Ok(self.found(asker, holders, first, (located, fetch)))
    }

    /// The find of an asker that took so long to locate the chosen holder, and has so far to travel to it still.
    fn found(&self, asker: usize, holders: &[usize], chosen: usize, (located, fetch): (Span, Span)) -> Find {
        let way = |holder: usize| self.world.plan().underlay.round_trip(asker, holder);
        let all: Vec<Span> = holders.iter().map(|holder| way(*holder)).collect();
        Find::of(located, fetch, way(chosen), &all)
    }
}

/// What came of an ask over tables built directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The first copy the message came to answers it: so small values are had.
    pub come_to: Find,
    /// The node with that copy names all holders, and the asker turns to the one it expects to be nearest: so large
    /// values are had.
    pub named: Find,
}

impl Walker<'_> {
    /// Lets these askers ask for keys whose `copies` numerically closest nodes hold a copy. The message goes by the
    /// Forwarder's rule and ends at the first node that has one. Asks teach nothing, as on live nodes. Of a key of which
    /// the asker itself has a copy nothing is asked.
    pub fn find_all(
        &mut self,
        questions: &[(usize, Id)],
        copies: usize,
        underlay: &dyn Underlay,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<Walked, String>> {
        let mut found = Vec::with_capacity(questions.len());
        for &(asker, key) in questions {
            let holders = self.built().replica_set(&key, copies);
            if !holders.contains(&asker) {
                let trip = self.walk_to(asker, key, &holders);
                let all: Vec<Span> = holders.iter().map(|holder| underlay.round_trip(asker, *holder)).collect();
                let find = |end: usize| {
                    let expected = self.expected_rtts(asker, &holders);
                    // Of holders that promise the same, as all do where nothing is known, the one that answered.
                    let promising = expected.iter().zip(&holders).min_by_key(|(rtt, holder)| (**rtt, **holder != end));
                    let chosen = promising.map(|(_, holder)| *holder);
                    let chosen = underlay.round_trip(asker, chosen.unwrap_or(end));
                    Walked {
                        come_to: Find::of(trip.routed, Span::ZERO, underlay.round_trip(asker, end), &all),
                        named: Find::of(trip.routed, chosen, chosen, &all),
                    }
                };
                found.push(trip.root.map(find).ok_or_else(|| "no way on".to_owned()));
            }
            progress(found.len());
        }
        found
    }
}

fn failure(result: Option<(Span, Result<Reply, Failure>)>) -> String {
    match result {
        None => "no result".to_owned(),
        Some((_, Err(failure))) => failure.to_string(),
        Some((_, Ok(_))) => "another reply than was asked for".to_owned(),
    }
}

/// Longer than the patience of any operation of a directory.
const ANSWER_MAX: Span = Span::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::direct::{Built, Recipe};
    use crate::sim::underlay::Plane;

    #[test]
    fn objects_have_as_many_holders_as_asked_for_and_nobody_asks_for_his_own() {
        let nodes: Vec<usize> = (0..10).collect();
        let objects = draw_objects(&mut Chance::from_seed(1), &nodes, 3, 4);
        assert_eq!(objects.len(), 30);
        for (at, object) in objects.iter().enumerate() {
            let distinct: std::collections::BTreeSet<_> = object.holders.iter().collect();
            assert_eq!((object.holders[0], distinct.len(), object.holders.len()), (at % 10, 4, 4));
        }
        let asks = draw_asks(&mut Chance::from_seed(2), &nodes, &objects, 5);
        assert_eq!(asks.len(), 50);
        assert!(asks.iter().all(|(asker, object)| !objects[*object].holders.contains(asker)));
        let all_hold = draw_objects(&mut Chance::from_seed(1), &nodes, 1, 10);
        assert!(draw_asks(&mut Chance::from_seed(2), &nodes, &all_hold, 5).is_empty());
    }

    #[test]
    fn what_is_published_at_a_pace_is_located_with_the_holder_chosen_measured_by_the_underlay() {
        let mut stage = Stage::bare(2);
        stage.join_in_crowds(12, &mut |_| {});
        stage.settle(Span::from_secs(60));
        let nodes = stage.ready();
        let drawn = draw_objects(&mut Chance::from_seed(1), &nodes, 2, 3);
        let published = stage.publish_all(drawn.clone(), 20.0, &mut |_| {});
        assert_eq!((published.claims, published.roots_missing, published.failures.len()), (72, 0, 0));
        assert_eq!(published.objects, drawn);
        let asks = draw_asks(&mut Chance::from_seed(3), &nodes, &published.objects, 4);
        let finds = stage.locate_all(&asks, &published.objects, 20.0, &mut |_| {});
        assert_eq!(finds.len(), 48);
        for ((asker, object), find) in asks.iter().zip(finds) {
            let find = find.expect("found");
            let underlay = &stage.world.plan().underlay;
            let mut all: Vec<Span> =
                drawn[*object].holders.iter().map(|holder| underlay.round_trip(*asker, *holder)).collect();
            all.sort_unstable();
            assert_eq!((find.nearest, find.chosen), (all[0], all[find.nearer]));
            assert_eq!(find.fetched, find.located + find.chosen);
        }
        assert_eq!(stage.world.operations().count(), 0);
    }

    #[test]
    fn over_tables_built_directly_a_message_ends_at_the_first_copy_on_its_way() {
        let underlay = Plane::new(9, Span::from_millis(100));
        let built = Built::new(Recipe::of(500), &underlay, &mut Chance::from_seed(3), &mut |_| {});
        let mut walker = Walker::new(&built, &underlay);
        let mut chance = Chance::from_seed(4);
        let asks: Vec<(usize, Id)> = (0..200).map(|_| (chance.index(500), Id::from_bytes(chance.bytes32()))).collect();
        let asked = asks.iter().filter(|(asker, key)| !built.replica_set(key, 5).contains(asker)).count();
        let found = walker.find_all(&asks, 5, &underlay, &mut |_| {});
        assert_eq!(found.len(), asked);
        let found: Vec<Walked> = found.into_iter().map(|find| find.expect("found")).collect();
        for find in &found {
            assert!(find.come_to.fetched == find.come_to.located && find.come_to.located == find.named.located);
            assert!(find.named.fetched == find.named.located + find.named.chosen && find.named.nearer < 5);
        }
        let nearer = |of: fn(&Walked) -> Find| found.iter().map(|find| of(find).nearer).sum::<usize>();
        assert!(nearer(|find| find.named) < nearer(|find| find.come_to), "coordinates are of use");
        let alone = walker.find_all(&asks, 1, &underlay, &mut |_| {});
        assert!(alone.iter().flatten().all(|find| find.come_to.nearer == 0 && find.named.chosen == find.named.nearest));
    }

    #[test]
    fn the_replica_set_is_the_numerically_closest() {
        let underlay = Plane::new(9, Span::from_millis(100));
        let built = Built::new(Recipe::of(40), &underlay, &mut Chance::from_seed(3), &mut |_| {});
        let mut chance = Chance::from_seed(4);
        for _ in 0..50 {
            let key = Id::from_bytes(chance.bytes32());
            let mut all: Vec<usize> = (0..40).collect();
            all.sort_by_key(|node| built.id(*node).distance(&key));
            assert_eq!(built.replica_set(&key, 5), all[..5]);
        }
        assert_eq!(built.replica_set(&Id::MAX, 100).len(), 40);
    }
}
