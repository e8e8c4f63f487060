//! Objects: where they are, who keeps them, who may write.
//!
//! Owns: what can happen to a directory shard, and its dispatch.
//! Never does: choose a hop, or decide who belongs to the overlay.

mod admission;
mod amend;
mod away;
mod back;
mod cache;
mod choose;
mod compare;
mod duty;
mod extend;
mod get;
mod ground;
mod heat;
mod holding;
mod keep;
mod leave;
mod locate;
mod near_root;
mod pointers;
mod publish;
mod push;
mod put;
mod ranges;
mod regions;
mod renewal;
mod repair;
mod representatives;
mod root_put;
mod scrub;
mod serve;
mod stands;
pub mod status;
mod stray;
mod survey;
#[cfg(test)]
mod tests;
pub mod tuning;
mod values;
mod walk;
mod wishes;

pub use status::{DirectoryStatus, HotObject};
pub use tuning::{Leases, Shares, Tuning, Upkeep};

use self::admission::Admission;
use self::away::{Away, Due};
use self::cache::Cache;
use self::extend::RenewAsked;
use self::ground::Ground;
use self::heat::Heat;
use self::holding::Holding;
use self::leave::Leaving;
use self::pointers::Pointers;
use self::publish::Publications;
use self::repair::Repair;
use self::representatives::Spread;
use self::root_put::RootPuts;
use self::stands::Stands;
use self::survey::Surveys;
use self::values::Values;
use self::walk::Renewed;
use self::wishes::Wishes;
use super::Sharding;
use super::contract::{Arrival, Asker, Command, DiskDone, Effect, JobDone, RequestId, Stored, Ticket};
use super::view::{Interest, RouteView};
use crate::base::{Chance, Id, Instant};
use crate::identity::{Contact, SecretKey};
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::Directory as Message;
use crate::wire::routing::Outcome;
use bytes::Bytes;
use std::sync::Arc;

/// What can happen to a directory shard.
#[derive(Clone, Debug)]
pub enum Input {
    /// What was on disk at the start; may come in several portions, before anything else.
    Loaded(Vec<Stored>),
    /// A peer said this over a link.
    Heard {
        /// Who.
        from: Id,
        /// What.
        message: Message,
    },
    /// The Router has a new view.
    View(Arc<RouteView>),
    /// Something routed came for this shard.
    Arrived(Arrival),
    /// What came of a wish to route.
    Returned {
        /// Whose wish: this shard's.
        asker: Asker,
        /// What became of it.
        outcome: Outcome,
        /// The answer, if it was answered.
        payload: Bytes,
        /// The neighbour it went to, if that was asked only because it says that it has a copy, or has heard of one.
        word_of: Option<Id>,
    },
    /// Work is done.
    Done {
        /// The shard's name for it.
        ticket: Ticket,
        /// What came of it.
        done: JobDone,
    },
    /// The disk is done.
    DiskDone {
        /// The shard's name for it.
        ticket: Ticket,
        /// What came of it.
        done: DiskDone,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish.
        command: Command,
    },
    /// The node leaves: hand over what is rooted here.
    Leaving,
    /// A deadline has come.
    Due,
}

/// Names under which an object's pointers live, at most 8: the id and salted variants. Tapestry (JSAC 2004, §3.3) and
/// Castro et al. (OSDI 2002) use several roots, against liars and the dead; the more there are, the nearer is the nearest:
/// with 3 the way to an object was 1.77 times that to its holder in the median, 2.73 times for the nearest tenth, with 8
/// 1.48 and 2.29 (1,090 nodes, transit-stub, 2026-11-26). Mainline DHT and IPFS leave 8 and 20 pointers.
pub const ROOTS_PER_OBJECT: u8 = 8;

/// What a shard is made of.
pub struct Setup {
    /// This node.
    pub me: Arc<Contact>,
    /// Its key, which signs pointers and receipts.
    pub key: SecretKey,
    /// How ids are spread over the shards.
    pub sharding: Sharding,
    /// Which shard this is.
    pub shard: usize,
    /// The knobs.
    pub tuning: Tuning,
    /// Where this shard says which ids it can answer for.
    pub interest: Arc<Interest>,
    /// Its stream of chance.
    pub chance: Chance,
}

/// One shard of the machine that knows where objects are.
pub struct Directory {
    ground: Ground,
    sharding: Sharding,
    away: Away,
    admission: Admission,
    values: Values,
    cache: Cache,
    pointers: Pointers,
    wishes: Wishes,
    puts: RootPuts,
    surveys: Surveys,
    publications: Publications,
    repair: Repair,
    spread: Spread,
    leaving: Option<Leaving>,
}

impl Directory {
    /// An empty shard.
    pub fn new(setup: Setup) -> Directory {
        let sharding = setup.sharding;
        let (mut ground, interest) = Ground::new(setup);
        let secret = (ground.chance.next_u64(), ground.chance.next_u64());
        let rows = heat::ROWS_MAX.div_ceil(sharding.count());
        let heat = Heat::new(secret, rows);
        let own = Heat::new(secret, rows).telling_from(representatives::OWN_LEAST);
        let stands = Stands::new(ground.limits.lease_bytes, Arc::clone(&interest));
        let cache = Cache::new(ground.limits.cache_bytes);
        Directory {
            ground,
            sharding,
            away: Away::default(),
            admission: Admission::new(),
            values: Values::new(Arc::clone(&interest)),
            cache,
            pointers: Pointers::new(interest),
            wishes: Wishes::default(),
            puts: RootPuts::new(),
            surveys: Surveys::new(),
            publications: Publications::default(),
            repair: Repair::default(),
            spread: Spread { heat, own, stands, holding: Holding::new(), is_from_asker: false, may_point: false },
            leaving: None,
        }
    }

    fn on_heard(&mut self, from: Id, message: Message) {
        match message {
            Message::Ask { number, request } => self.on_ask(from, number, request),
            Message::Answer { number, answer, load, .. } => {
                self.ground.loads.hear(self.ground.now, from, load);
                self.on_answer(from, number, answer);
            }
            Message::Offer { entries } => self.on_offer(from, &entries),
            Message::Wanted { objects } => self.on_wanted(from, &objects),
            Message::Kept { objects } => self.on_peer_keeps(from, &objects),
            Message::Enlist { root, entry, lease, demand } => self.on_enlist(from, root, entry, (lease, demand)),
            Message::Serving { root, version, served } => self.on_serving(from, root, version, served),
            Message::Decline { root } => self.on_decline(from, root),
            Message::Dismiss { root } => self.on_dismiss(from, root),
            Message::Compare { salt, slice, ranges } => self.on_compare(from, salt, &slice, &ranges),
            Message::Compared { salt, shard, shards, sums, .. } => {
                self.on_compared(from, salt, (shard, shards), &sums);
            }
            Message::Renew { salt, slice, ranges, named } => {
                self.on_renew_asked(from, &RenewAsked { salt, slice, ranges, named });
            }
            Message::Renewed { salt, shard, shards, covered, sums, claims, .. } => {
                self.on_renewed(from, salt, (shard, shards), Renewed { covered, sums, claims });
            }
        }
    }

    fn on_due(&mut self, due: Due) {
        match due {
            Due::Patience(wish) => self.on_patience_end(wish),
            Due::Retry(wish) => self.on_retry(wish),
            Due::Hedge(wish) => self.on_hedge(wish),
            Due::Ask(number) => self.on_silence(number),
            Due::Routed(number) => self.on_route_lost(number),
            Due::RootPut(put) => self.on_root_put_due(put),
            Due::Survey(survey) => self.on_survey_due(survey),
            Due::Deposit(deposit, salt) => self.deposit_try(deposit, salt),
            Due::Renew(object) => self.on_renew(object),
            Due::Round => self.on_round(),
            Due::Walk(walker) => self.on_walk(walker),
            Due::Singly => self.on_singly(),
            Due::Expiry => self.on_expiry(),
            Due::Repair => self.on_repair(),
            Due::Leases => self.on_leases_due(),
            Due::Holding => self.tell_holding(),
            Due::Scrub => self.on_scrub(),
            Due::Amend => self.on_amend_due(),
            Due::Leave => self.leave(),
        }
    }

    fn on_all_due(&mut self) {
        while let Some(due) = self.ground.deadlines.pop_due(self.ground.now) {
            self.on_due(due);
        }
    }
}

impl Machine for Directory {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Effect>) {
        self.ground.now = now;
        std::mem::swap(&mut self.ground.out, out);
        match input {
            Input::Loaded(stored) => self.on_loaded(stored),
            Input::Heard { from, message } => self.on_heard(from, message),
            Input::View(view) => self.on_view(view),
            Input::Arrived(arrival) => self.on_arrived(arrival),
            Input::Returned { asker, outcome, payload, word_of } => {
                self.on_returned(asker.number, outcome, &payload, word_of);
            }
            Input::Done { ticket, done } => self.on_done(ticket, done),
            Input::DiskDone { ticket, done } => self.on_disk_done(ticket, done),
            Input::Wished { request, command } => self.on_wished(request, command),
            Input::Leaving => self.on_leaving(),
            Input::Due => self.on_all_due(),
        }
        self.leave_if_done();
        std::mem::swap(&mut self.ground.out, out);
        if cfg!(debug_assertions) {
            self.assert_invariants();
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.ground.deadlines.next()
    }

    fn readings(&self, into: &mut Vec<Reading>) {
        self.read_off(into);
    }
}
