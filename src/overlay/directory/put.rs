//! A local client puts a value.
//!
//! Owns: the way to the root (inside the routed request for a small value, over a link for a large
//! one), the retries, and the check of the receipts.
//! Never does: keep a copy because of it: the root's replica set does. Putting the same version again
//! does no harm, so a lost answer only costs another try.

use super::Directory;
use super::away::{Pending, Purpose};
use super::ground::majority;
use super::root_put::PutAsked;
use super::tuning::REPLICAS_MAX;
use super::wishes::Work;
use crate::base::{Id, Span};
use crate::identity::Contact;
use crate::overlay::contract::{Failure, Job, Reply, Ticket};
use crate::wire::directory::{Answer, Refusal, Request, ShareLimit};
use crate::wire::object::{Receipt, Value};
use crate::wire::routing::Errand;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A put under way.
pub(super) struct PutWork {
    value: Option<Value>,
    lifetime: Span,
    replicas: u8,
    expected: Option<u64>,
}

impl PutWork {
    pub(super) fn new(lifetime: Span, replicas: u8, expected: Option<u64>) -> PutWork {
        PutWork { value: None, lifetime, replicas, expected }
    }

    pub(super) fn version(&self) -> u64 {
        self.value.as_ref().map_or(0, Value::version)
    }
}

impl Directory {
    pub(super) fn put_start(&mut self, number: u64, value: Value) {
        if let Err(refusal) = self.ground.limits.form(&value) {
            return self.finish(number, Err(Failure::Refused(refusal)));
        }
        let replicas = self.ground.tuning.replicas;
        if let Some(Work::Put(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.value = Some(value);
            work.replicas = if work.replicas == 0 { replicas } else { work.replicas.min(REPLICAS_MAX) };
        }
        self.put_try(number);
    }

    /// Tries (again).
    pub(super) fn put_try(&mut self, number: u64) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        wish.tries += 1;
        let object = wish.object;
        let Work::Put(PutWork { value: Some(value), lifetime, replicas, expected }) = &wish.work else { return };
        let asked = PutAsked { value: value.clone(), lifetime: *lifetime, replicas: *replicas, expected: *expected };
        if asked.value.len() <= self.ground.tuning.inline_bytes_max as usize {
            let PutAsked { value, lifetime, replicas, expected } = asked;
            let request = Request::Put { value, lifetime, replicas, expected };
            self.route_for(number, object, Errand::Root, &request);
            return;
        }
        if self.ground.view.is_root_of(&object) {
            return self.root_put(super::away::Replier::Own(number), None, asked);
        }
        let root = self.ground.view.root_in_leaf_set(&object).filter(|_| self.ground.view.covers(&object));
        match root.and_then(|root| self.ground.contact(&root)) {
            Some(contact) => self.put_at(number, &contact),
            None => _ = self.route_for(number, object, Errand::Root, &Request::Who { object }),
        }
    }

    /// The root answered, or somebody on the way did; `which` is the routed try.
    pub(super) fn on_put_answer(&mut self, number: u64, which: Option<u64>, answer: Answer) {
        match answer {
            Answer::Stored { receipts } => self.check_receipts(number, receipts),
            Answer::Holders { holders, .. } => {
                let is_current = self.wishes.get(number).is_some_and(|wish| which == Some(wish.current));
                match holders.into_iter().next() {
                    Some(root) if is_current => self.put_at(number, &Arc::new(root.contact)),
                    _ => self.try_failed(number, which, Failure::TimedOut),
                }
            }
            Answer::Refused(refusal) if is_passing(&refusal) => {
                self.try_failed(number, which, Failure::Refused(refusal));
            }
            Answer::Refused(refusal) => self.finish(number, Err(Failure::Refused(refusal))),
            _ => self.try_failed(number, which, Failure::Refused(Refusal::Forged)),
        }
    }

    /// The root was silent.
    pub(super) fn on_put_silence(&mut self, number: u64, from: Id) {
        self.try_failed(number, None, Failure::Silence { at: from });
    }

    /// The receipts were checked.
    pub(super) fn on_receipts_checked(&mut self, number: u64, receipts: Vec<Receipt>) {
        let Some(wish) = self.wishes.get(number) else { return };
        let Work::Put(work) = &wish.work else { return };
        let keepers: BTreeSet<_> = receipts.iter().map(|receipt| receipt.keeper).collect();
        // In a small network fewer nodes than copies exist.
        let servers = self.ground.view.peers.iter().filter(|peer| peer.ready).count() + 1;
        let needed = majority(usize::from(work.replicas).min(servers));
        if keepers.len() < needed {
            let (stored, needed) = (keepers.len() as u8, needed as u8);
            return self.try_failed(number, None, Failure::Refused(Refusal::TooFewReplicas { stored, needed }));
        }
        let object = wish.object;
        self.forget_older(&object, receipts.first().map_or(0, |receipt| receipt.version));
        self.finish(number, Ok(Reply::Stored { object, receipts }));
    }

    fn check_receipts(&mut self, number: u64, receipts: Vec<Receipt>) {
        let Some(wish) = self.wishes.get(number) else { return };
        let Work::Put(PutWork { value: Some(value), .. }) = &wish.work else { return };
        let (object, version) = (wish.object, value.version());
        let ticket = Ticket(self.ground.number());
        self.away.tickets.insert(ticket, Pending::Receipts(number));
        self.ground.work(ticket, Job::CheckReceipts { object, version, receipts });
    }

    /// Puts at this very node, over a link.
    fn put_at(&mut self, number: u64, root: &Arc<Contact>) {
        let Some(wish) = self.wishes.get(number) else { return };
        let Work::Put(PutWork { value: Some(value), lifetime, replicas, expected }) = &wish.work else { return };
        let request =
            Request::Put { value: value.clone(), lifetime: *lifetime, replicas: *replicas, expected: *expected };
        if root.id() == self.ground.me() {
            return self.try_failed(number, None, Failure::NotReady);
        }
        let wait = self.remaining(number).min(DIRECT_WAIT);
        self.ask(root, request, Purpose::Put(number), wait);
    }
}

/// Whether a refusal may pass by itself.
pub(super) fn is_passing(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotReady
            | Refusal::Busy
            | Refusal::TooFewReplicas { .. }
            | Refusal::Share { limit: ShareLimit::WriteRate }
    )
}

/// Longest wait for the root's direct answer: its own five seconds, and a megabyte on a slow line. A
/// guess.
const DIRECT_WAIT: Span = Span::from_secs(8);
