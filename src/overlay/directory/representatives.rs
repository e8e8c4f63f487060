//! Load that spreads itself.
//!
//! Owns: who is to answer for whom: when a neighbour through which much is asked gets a lease, when a lease goes on, and
//! that whoever has one hears of what changes.
//! Never does: keep a copy beyond its lease, or serve what does not prove itself.
//!
//! A lease must save more messages than it costs ([`WORTH`]). Whoever answers much that comes through one neighbour enlists
//! that neighbour, which enlists its own in the same way: so answers move towards those who ask (Coral, NSDI 2004, and
//! Beehive, NSDI 2004, spread by the same two measures, demand and distance). Whoever asks for a small object that is worth
//! a copy with everybody gets a lease with the answer and answers itself from then on. No lease outlasts the one it comes
//! from, so nothing is answered that is older than one lease.

use super::Directory;
use super::away::{Due, Pending, Purpose, Replier};
use super::ground::Counter;
use super::heat::Heat;
use super::holding::Holding;
use super::pointers::Claim;
use super::push::PUSH_SLACK;
use super::stands::{Given, Held, Stand, Stands, TOLD_AFTER, Turn};
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::{Job, Ticket};
use crate::wire::Directory as Message;
use crate::wire::directory::{Answer, CLAIMS_MAX, Entry, Refusal, Request};
use crate::wire::object::{Pointer, Value};

/// What a shard knows of load: what is wanted much, and who stands in for whom.
pub(super) struct Spread {
    pub(super) heat: Heat,
    /// What this node's own clients want.
    pub(super) own: Heat,
    pub(super) stands: Stands,
    pub(super) holding: Holding,
    /// Whether what arrived last came straight from whoever asks for it.
    pub(super) is_from_asker: bool,
    /// Whether that may be handed to a holder.
    pub(super) may_point: bool,
}

/// A lease that was offered, while what it is for is fetched or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    root: Id,
    granter: Id,
    until: Instant,
    /// Requests an hour.
    demand: u32,
}

impl Directory {
    /// A request for what stands under `root` was answered here; `count` others before it the asker answered itself.
    pub(super) fn note_request(&mut self, replier: Replier, root: &Id, through: Option<Id>, count: u32) {
        let is_counted = replier.is_routed() && !self.ground.tuning.leases.is_off();
        let Some(neighbour) = through.filter(|_| is_counted) else { return };
        self.spread.stands.serve_claims(root);
        let told = f64::from(count.min(COUNT_MAX));
        // Who asks for what may be leased with the answer sees to itself: one lease for that would not be worth two.
        let sees_to_itself = self.spread.is_from_asker && self.is_leased_with_answer(root);
        let now = self.ground.now;
        let wanted = match sees_to_itself {
            true => self.spread.heat.note_in_all(now, root, neighbour, told),
            false => self.spread.heat.note(now, root, neighbour, told),
        };
        let lease = self.lease_for(root);
        if wanted.reached(self.worth_everywhere(lease)) {
            self.tell_demand(root);
        }
        if wanted.has_doubled() {
            self.enlist_all(root, wanted.demand, lease);
        }
        self.consider(root, neighbour, wanted.through, lease);
    }

    /// The lease that goes with the answer to this request, for small immutable objects; and whether so many want this one that
    /// the asker should take it. Else it knows best how often it asks.
    pub(super) fn answer_lease(&self, replier: Replier, value: &Value) -> (Span, bool) {
        if !replier.is_routed() || !self.goes_with_answer(value.version(), value.len() as u64) {
            return (Span::ZERO, false);
        }
        let object = value.id();
        let lease = self.lease_for(&object);
        (lease, self.demand(&object) >= self.worth_everywhere(lease))
    }

    /// A local client asks for this.
    pub(super) fn note_own_request(&mut self, object: &Id) {
        let me = self.ground.me();
        self.spread.own.note_in_all(self.ground.now, object, me, 0.0);
    }

    fn is_leased_with_answer(&self, object: &Id) -> bool {
        match (self.values.get(object), self.spread.stands.get(object)) {
            (Some(entry), _) => self.goes_with_answer(entry.version, entry.bytes),
            (None, Some(Stand { held: Held::Value(value), .. })) => {
                self.goes_with_answer(value.version(), value.len() as u64)
            }
            _ => false,
        }
    }

    /// Whether a lease may go with the answer: of what cannot change and is sent along the route.
    fn goes_with_answer(&self, version: u64, bytes: u64) -> bool {
        version == 0 && self.ground.is_inline(bytes)
    }

    /// Requests a second in the whole network from which on a copy with everybody is worth it.
    fn worth_everywhere(&self, lease: Span) -> f64 {
        let everybody = 1.0 / self.ground.view.spacing().unwrap_or(1.0);
        WORTH_WITH_ANSWER * everybody / lease.as_secs_f64()
    }

    /// What this node answers for others it answers to itself.
    pub(super) fn own_answer(&mut self, object: &Id) -> Option<Value> {
        self.spread.stands.serve(object)
    }

    /// A local client has put this version: what is older is answered no more, not even to itself.
    pub(super) fn forget_older(&mut self, object: &Id, version: u64) {
        if self.spread.stands.get(object).is_some_and(|stand| stand.version() < version) {
            self.spread.stands.drop_held(object);
        }
    }

    /// A local get was answered with a lease, which is taken if the granter says that everybody should, or if it is asked for
    /// here often enough.
    pub(super) fn take_lease(&mut self, value: &Value, granter: Id, (lease, for_all): (Span, bool)) {
        let object = value.id();
        if !for_all && self.spread.own.demand(self.ground.now, &object) * lease.as_secs_f64() < WORTH_OWN {
            return;
        }
        let is_here = self.values.get(&object).is_some() || self.spread.stands.get(&object).is_some();
        let lease = lease.min(self.ground.tuning.leases.immutable);
        let has_room = self.spread.stands.has_room(&object, &granter, value.len() as u64);
        if is_here || lease == Span::ZERO || value.version() > 0 || !has_room || self.leaving.is_some() {
            return;
        }
        let stand = Stand::new(Held::Value(value.clone()), granter, self.ground.now + lease, 0.0, false);
        self.hold(object, stand);
    }

    /// A neighbour wants this node to answer for it.
    pub(super) fn on_enlist(&mut self, from: Id, root: Id, entry: Entry, (lease, demand): (Span, u32)) {
        let leases = &self.ground.tuning.leases;
        let lease = lease.min(leases.immutable.max(leases.mutable));
        let offered = Offered { root, granter: from, until: self.ground.now + lease, demand };
        if lease == Span::ZERO || self.leaving.is_some() || self.away.is_crowded() || !self.is_upstream(&from, &root) {
            return self.decline(offered);
        }
        match entry {
            Entry::Same { version } => {
                let has_it = |stand: &&Stand| stand.version() == version;
                let Some(stand) = self.spread.stands.get(&root).filter(has_it) else { return self.decline(offered) };
                let (until, told) = (self.latest(offered.until, stand.is_immutable()), stand.demand);
                let demand = told.max(offered.demand());
                self.spread.stands.extend(self.ground.now, &root, (from, until), demand);
                self.pass_demand_on(&root, told);
                self.schedule_leases();
            }
            Entry::Value(value) => self.enlist_check(offered, value),
            Entry::Large => {
                let Some(contact) = self.ground.contact(&from) else { return self.decline(offered) };
                let wait = self.ground.answer_wait(&from) + PUSH_SLACK;
                self.ask(&contact, Request::Fetch { object: root }, Purpose::Enlist(offered), wait);
            }
            Entry::Claims(pointers) => self.enlist_claims(offered, pointers),
        }
    }

    /// The large object this node is to answer with came; `None` if it did not.
    pub(super) fn on_enlist_fetched(&mut self, offered: Offered, answer: Option<Answer>) {
        match answer {
            Some(Answer::Value { value, .. }) => self.enlist_check(offered, value),
            _ => self.decline(offered),
        }
    }

    /// What this node is to answer with was checked.
    pub(super) fn on_enlist_checked(&mut self, offered: Offered, value: Option<Value>) {
        let Some(value) = value else {
            log::debug!("{} enlists with a value that does not stand under its id", offered.granter.short());
            return self.decline(offered);
        };
        let known = self.spread.stands.get(&offered.root).map(Stand::version).max(self.values.newest(&offered.root));
        let is_old = known.is_some_and(|known| known > value.version());
        if is_old || !self.spread.stands.has_room(&offered.root, &offered.granter, value.len() as u64) {
            return self.decline(offered);
        }
        let is_newer = self.spread.stands.get(&offered.root).is_some_and(|stand| stand.version() < value.version());
        let until = self.latest(offered.until, value.version() == 0);
        let mut stand = Offered { until, ..offered }.stand(Held::Value(value));
        if let Some(same) = self.spread.stands.get(&offered.root).filter(|old| old.version() == stand.version()) {
            // Another's word counts as well, and its lease.
            stand.demand = stand.demand.max(same.demand);
            if same.until > stand.until {
                (stand.granter, stand.until) = (same.granter, same.until);
            }
        }
        let told = self.spread.stands.get(&offered.root).map_or(0.0, |old| old.demand);
        self.hold(offered.root, stand);
        self.pass_demand_on(&offered.root, told);
        if is_newer {
            self.spread_change(&offered.root, None);
        }
    }

    /// A representative tells how much it answered.
    pub(super) fn on_serving(&mut self, from: Id, root: Id, version: u64, served: u32) {
        // Whoever says more than is true could as well have asked as often.
        let served = f64::from(served.min(COUNT_MAX));
        self.spread.heat.note_told(self.ground.now, &root, from, served);
        let lease = self.lease_for(&root);
        // It counted over less than a whole lease.
        if served >= self.worth() * TOLD_AFTER {
            let entry = match self.version_here(&root) {
                Some(here) if here == version && !self.has_claims(&root) => Some(Entry::Same { version }),
                _ => self.entry_for(&root),
            };
            if let Some(entry) = entry {
                self.enlist(root, from, entry, lease);
            }
        }
    }

    /// A neighbour will not answer for this node.
    pub(super) fn on_decline(&mut self, from: Id, root: Id) {
        if self.spread.stands.given(&root, &from).is_some() {
            self.ground.tally.count(Counter::Leases, "declined");
            let until = self.ground.now + DECLINED_REST;
            self.spread.stands.give(root, from, Given { until, is_declined: true });
            self.schedule_leases();
        }
    }

    /// What this node answers for another is gone.
    pub(super) fn on_dismiss(&mut self, from: Id, root: Id) {
        // Whoever could have given the lease: several may have.
        if self.is_upstream(&from, &root)
            && let Some(stand) = self.spread.stands.drop_held(&root)
        {
            self.note_holding(stand.is_immutable());
            self.dismiss(&root);
        }
    }

    /// What stands under `root` has changed: whoever answers for this node hears it. `pointer`: the claim that is new.
    pub(super) fn spread_change(&mut self, root: &Id, pointer: Option<&Pointer>) {
        for (peer, until) in self.spread.stands.representatives(root) {
            let entry = match pointer {
                Some(pointer) => Some(Entry::Claims(vec![pointer.clone()])),
                None => self.entry_for(root),
            };
            let Some(entry) = entry else { return };
            self.ground.tally.count(Counter::Leases, "change");
            self.enlist(*root, peer, entry, self.ground.now.until(until));
        }
    }

    /// Nothing stands under `root` any more.
    pub(super) fn dismiss(&mut self, root: &Id) {
        for peer in self.spread.stands.recall(root) {
            self.ground.send_linked(peer, Message::Dismiss { root: *root });
        }
    }

    /// Leases end, or are about to.
    pub(super) fn on_leases_due(&mut self) {
        self.spread.stands.expire_given(self.ground.now);
        while let Some(turn) = self.spread.stands.next_turn(self.ground.now) {
            match turn {
                Turn::Tell { root, granter, served } => self.tell_serving(root, granter, served),
                Turn::Ended { root, granter, served, is_enlisted, is_immutable } => {
                    self.note_holding(is_immutable);
                    if is_enlisted {
                        self.ground.tally.count(Counter::Leases, "ended");
                        self.tell_serving(root, granter, served);
                    } else {
                        self.spread.stands.note_untold(root, served);
                    }
                }
            }
        }
        self.schedule_leases();
    }

    fn tell_serving(&mut self, root: Id, granter: Id, served: u32) {
        if served > 0 {
            let version = self.spread.stands.get(&root).map_or(0, Stand::version);
            self.ground.send_linked(granter, Message::Serving { root, version, served });
        }
    }

    /// Enlists the neighbour through which so many requests a second come, if that saves more than it costs and nothing
    /// stands against it.
    fn consider(&mut self, root: &Id, neighbour: Id, through: f64, lease: Span) {
        let is_linked = self.ground.view.peer(&neighbour).is_some_and(|peer| peer.link().is_some());
        let is_worth_it = through * lease.as_secs_f64() >= self.worth();
        // Askers come by here for a copy's sake, too: they would decline.
        let would_take = may_grant(&self.ground.me(), &neighbour, root);
        if !is_linked || !is_worth_it || !would_take || self.spread.stands.given(root, &neighbour).is_some() {
            return;
        }
        if let Some(entry) = self.entry_for(root) {
            self.enlist(*root, neighbour, entry, lease);
        }
    }

    /// So many requests a second come here for this: whoever will bring enough of them by its share of all need not bring
    /// the first.
    fn enlist_all(&mut self, root: &Id, demand: f64, lease: Span) {
        let least = self.worth() / lease.as_secs_f64();
        let enough = self.spread.heat.shares(self.ground.now).filter(|(_, share)| share * demand >= least);
        for (neighbour, share) in enough.collect::<Vec<_>>() {
            self.consider(root, neighbour, share * demand, lease);
        }
    }

    /// A granter said what is wanted in all: if that is much, and more than was said before, it goes down the tree.
    fn pass_demand_on(&mut self, root: &Id, told: f64) {
        let everywhere = self.worth_everywhere(self.lease_for(root));
        let is_much = |stand: &Stand| told < everywhere && stand.demand >= everywhere;
        if self.spread.stands.get(root).is_some_and(is_much) {
            self.tell_demand(root);
        }
    }

    /// Everybody wants it: representatives hear so, since they give leases with their answers then.
    fn tell_demand(&mut self, root: &Id) {
        let Some(version) = self.version_here(root).or(self.has_claims(root).then_some(0)) else { return };
        for (peer, until) in self.spread.stands.representatives(root) {
            self.enlist(*root, peer, Entry::Same { version }, self.ground.now.until(until));
        }
    }

    /// Messages a lease must save: the fewer, the more this node has to do beside what is usual around here.
    fn worth(&self) -> f64 {
        WORTH / self.ground.pressure.clamp(1.0, EAGER_MAX)
    }

    fn enlist(&mut self, root: Id, peer: Id, entry: Entry, lease: Span) {
        let until = self.ground.now + lease;
        if lease == Span::ZERO || !self.spread.stands.give(root, peer, Given { until, is_declined: false }) {
            return self.ground.tally.count(Counter::Leases, "no_room");
        }
        self.ground.tally.count(Counter::Leases, "given");
        let demand = (self.demand(&root) * 3_600.0).min(f64::from(u32::MAX)) as u32;
        self.ground.send_linked(peer, Message::Enlist { root, entry, lease, demand });
        self.schedule_leases();
    }

    /// What can be given to a representative just now.
    fn entry_for(&mut self, root: &Id) -> Option<Entry> {
        if let Some(Stand { held: Held::Value(value), .. }) = self.spread.stands.get(root) {
            let is_inline = self.ground.is_inline(value.len() as u64);
            return Some(if is_inline { Entry::Value(value.clone()) } else { Entry::Large });
        }
        if self.values.is_overtaken(root) {
            return None;
        }
        if let Some(entry) = self.values.get(root) {
            if !self.vouches_for(root, entry.version) {
                return None;
            }
            // What is not in memory is after the next answer.
            let is_inline = self.ground.is_inline(entry.bytes);
            return if is_inline { self.cache.touch(root).map(Entry::Value) } else { Some(Entry::Large) };
        }
        // Pointers in passing may be older than any lease: only the root's, and what was leased, is leased on.
        let is_leased = self.spread.stands.get(root).is_some();
        let may = |claim: &&Claim| claim.is_rooted || is_leased;
        let live = self.pointers.live(root).filter(may).take(CLAIMS_MAX);
        let claims: Vec<Pointer> = live.map(|claim| claim.pointer.clone()).collect();
        (!claims.is_empty()).then_some(Entry::Claims(claims))
    }

    /// The version that may be leased.
    fn version_here(&self, root: &Id) -> Option<u64> {
        let kept = self.values.get(root).map(|entry| entry.version).filter(|version| self.vouches_for(root, *version));
        self.spread.stands.get(root).map(Stand::version).max(kept)
    }

    /// Whether what is kept here is the newest there is: of a record the root alone knows. Whoever kept it once and hears of
    /// changes no more would lease on what is old.
    fn vouches_for(&self, root: &Id, version: u64) -> bool {
        version == 0 || self.ground.view.is_root_of(root)
    }

    fn has_claims(&self, root: &Id) -> bool {
        self.values.get(root).is_none() && self.pointers.live(root).next().is_some()
    }

    /// How long a lease of this may be: what changes is leased for less; and none outlasts this node's own.
    fn lease_for(&self, root: &Id) -> Span {
        let leases = &self.ground.tuning.leases;
        let stand = self.spread.stands.get(root);
        let is_immutable = match stand {
            Some(stand) => stand.is_immutable(),
            None => self.values.get(root).is_some_and(|entry| entry.version == 0),
        };
        let longest = if is_immutable { leases.immutable } else { leases.mutable };
        // No longer than what it is given of.
        let left = match (stand, self.values.get(root)) {
            (Some(stand), _) => self.ground.now.until(stand.until),
            (None, Some(entry)) => entry.left(self.ground.now),
            (None, None) => longest,
        };
        // Too short a lease is not worth giving: the next request after this node's own is renewed will do.
        if left < longest / SHORTEST_SHARE { Span::ZERO } else { left.min(longest) }
    }

    /// Until when a lease may last that is offered until then, as this node's own tuning goes.
    fn latest(&self, offered: Instant, is_immutable: bool) -> Instant {
        let leases = &self.ground.tuning.leases;
        offered.min(self.ground.now + if is_immutable { leases.immutable } else { leases.mutable })
    }

    /// Requests a second for this in the whole network, as far as this node knows.
    fn demand(&self, root: &Id) -> f64 {
        let told = self.spread.stands.get(root).map_or(0.0, |stand| stand.demand);
        self.spread.heat.demand(self.ground.now, root).max(told)
    }

    fn enlist_check(&mut self, offered: Offered, value: Value) {
        if value.id() != offered.root
            || !self.spread.stands.has_room(&offered.root, &offered.granter, value.len() as u64)
        {
            return self.decline(offered);
        }
        let ticket = Ticket(self.ground.number());
        self.away.tickets.insert(ticket, Pending::Enlist(offered));
        self.ground.work(ticket, Job::CheckValue { id: offered.root, value });
    }

    /// Pointers go where those in passing are; each is checked as any other is.
    fn enlist_claims(&mut self, offered: Offered, pointers: Vec<Pointer>) {
        let Offered { root, granter, .. } = offered;
        let until = self.latest(offered.until, false);
        if !self.spread.stands.has_room(&root, &granter, 0) {
            return self.decline(offered);
        }
        let lease = self.ground.now.until(until);
        for pointer in pointers.into_iter().take(CLAIMS_MAX) {
            self.serve(Replier::Nobody, Some(granter), Request::Publish { root, pointer, remaining: lease });
        }
        self.hold(root, Offered { until, ..offered }.stand(Held::Claims));
    }

    fn hold(&mut self, root: Id, stand: Stand) {
        self.ground.tally.count(Counter::Leases, "taken");
        if self.spread.stands.get(&root).is_none() {
            self.note_holding(stand.is_immutable());
        }
        self.spread.stands.hold(self.ground.now, root, stand);
        self.schedule_leases();
    }

    fn decline(&mut self, offered: Offered) {
        self.ground.tally.count(Counter::Refused, super::admission::limit_name(&Refusal::Busy));
        self.ground.send_linked(offered.granter, Message::Decline { root: offered.root });
    }

    /// Whether what goes to `root` may well pass from here to this node.
    fn is_upstream(&self, granter: &Id, root: &Id) -> bool {
        may_grant(granter, &self.ground.me(), root)
    }

    fn schedule_leases(&mut self) {
        match self.spread.stands.next() {
            Some(at) => self.ground.deadlines.set(Due::Leases, at.max(self.ground.now)),
            None => _ = self.ground.deadlines.clear(&Due::Leases),
        }
    }
}

/// Whether one node may give another a lease of what stands under `root`: it is nearer there, by digits or numerically.
fn may_grant(granter: &Id, taker: &Id, root: &Id) -> bool {
    granter.shared_prefix(root) > taker.shared_prefix(root) || granter.is_nearer(root, taker)
}

impl Offered {
    fn demand(&self) -> f64 {
        f64::from(self.demand) / 3_600.0
    }

    fn stand(&self, held: Held) -> Stand {
        Stand::new(held, self.granter, self.until, self.demand(), true)
    }
}

/// Messages a lease must save: it costs two and its bytes. The more, the fewer copies, and the longer the ways.
const WORTH: f64 = 20.0;
/// The same of a lease the asker takes for its own requests: as much.
const WORTH_OWN: f64 = WORTH;
/// From so many own requests on, those before faded, there is a pace: two within five minutes, as may be of what is asked for a dozen
/// times an hour. Nothing is lost by a guess but room.
pub(super) const OWN_LEAST: f64 = 1.6;
/// A node with so many times the usual load, or more, hands out leases that save so much less. A guess.
const EAGER_MAX: f64 = 4.0;
/// The same of a lease that comes with an answer and costs no message, only room.
const WORTH_WITH_ANSWER: f64 = 10.0;
/// A lease shorter than one part in this of the usual one is not given. A guess.
const SHORTEST_SHARE: u64 = 4;
/// Who has declined is left alone for so long. A guess.
const DECLINED_REST: Span = Span::from_secs(60);
/// More requests than this are not believed of one who counted them himself. A guess: a thousand a second for a minute.
const COUNT_MAX: u32 = 60_000;
