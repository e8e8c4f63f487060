//! Asking the neighbours what they have.
//!
//! Owns: surveys under way: a root that lacks something asks the replica set before it says "not
//! found", since it may be new in its place; and a compare-and-swap asks for the newest version.
//! Never does: check what it hears: whoever gets the answer does.

use super::Directory;
use super::away::{Due, Purpose, Replier};
use super::ground::majority;
use crate::base::{Id, Span};
use crate::wire::directory::{Answer, Request};
use std::collections::BTreeMap;

/// Surveys under way.
pub(super) type Surveys = BTreeMap<u64, Survey>;

/// One of them.
pub(super) struct Survey {
    then: SurveyThen,
    /// Of so many (this node included) the newest is good enough.
    needed: usize,
    waiting: usize,
    heard: usize,
    best: Option<Answer>,
}

/// What a survey is for.
#[derive(Clone, Copy, Debug)]
enum SurveyThen {
    /// To answer this.
    Reply(Replier),
    /// To go on with a put.
    Put(u64),
}

impl Directory {
    /// Passes a request this root cannot answer on to its neighbours.
    pub(super) fn survey(&mut self, replier: Replier, object: &Id, request: &Request) {
        let fellows = self.ground.fellows(object, usize::from(self.ground.tuning.replicas) + 1);
        if fellows.is_empty() || self.surveys.len() >= SURVEYS_MAX || self.away.is_crowded() {
            return self.reply(replier, Answer::NotFound);
        }
        self.survey_start(SurveyThen::Reply(replier), fellows, request, None);
    }

    /// Answers with the newest version of a record a majority of its replica set has, this node's own
    /// included.
    pub(super) fn survey_for_newer(&mut self, replier: Replier, object: &Id, request: &Request, own: Answer) {
        let fellows = self.ground.fellows(object, usize::from(self.ground.tuning.replicas));
        if fellows.is_empty() || self.surveys.len() >= SURVEYS_MAX || self.away.is_crowded() {
            return self.reply(replier, own);
        }
        self.survey_start(SurveyThen::Reply(replier), fellows, request, Some(own));
    }

    /// Asks the replica set for its newest version, for a compare-and-swap.
    pub(super) fn survey_for_put(&mut self, put: u64, object: Id, copies: usize) {
        let fellows = self.ground.fellows(&object, copies.max(usize::from(self.ground.tuning.replicas)));
        if fellows.is_empty() {
            return self.on_root_put_surveyed(put, None);
        }
        self.survey_start(SurveyThen::Put(put), fellows, &Request::Fetch { object }, None);
    }

    /// A neighbour told; `None` if it was silent.
    pub(super) fn on_survey(&mut self, number: u64, answer: Option<Answer>) {
        let Some(survey) = self.surveys.get_mut(&number) else { return };
        survey.waiting = survey.waiting.saturating_sub(1);
        survey.heard += usize::from(answer.is_some());
        if let Some(answer) = answer.filter(is_better_than_nothing) {
            let is_better = match (&survey.best, &answer) {
                (Some(Answer::Value { value: best, .. }), Answer::Value { value, .. }) => {
                    value.version() > best.version()
                }
                (Some(Answer::Value { .. }), _) => false,
                _ => true,
            };
            if is_better {
                survey.best = Some(answer);
            }
        }
        let is_majority = survey.heard + 1 >= survey.needed;
        let is_enough = match (survey.then, &survey.best) {
            // A blob is what it is; of records the newest of a majority counts.
            (SurveyThen::Reply(_), Some(Answer::Value { value, .. })) => value.version() == 0 || is_majority,
            (SurveyThen::Reply(_), best) => best.is_some(),
            (SurveyThen::Put(_), _) => is_majority,
        };
        if is_enough || survey.waiting == 0 {
            self.on_survey_due(number);
        }
    }

    /// A survey is over, with what was heard.
    pub(super) fn on_survey_due(&mut self, number: u64) {
        let Some(survey) = self.surveys.remove(&number) else { return };
        self.ground.deadlines.clear(&Due::Survey(number));
        match survey.then {
            SurveyThen::Reply(replier) => self.reply(replier, survey.best.unwrap_or(Answer::NotFound)),
            // Fewer might have told: they may all lack the newest.
            SurveyThen::Put(put) if survey.heard + 1 < survey.needed => {
                self.on_root_put_unsurveyed(put, survey.needed);
            }
            SurveyThen::Put(put) => {
                let newest = match survey.best {
                    Some(Answer::Value { value, .. }) => Some(value.version()),
                    _ => None,
                };
                self.on_root_put_surveyed(put, newest);
            }
        }
    }

    fn survey_start(&mut self, then: SurveyThen, fellows: Vec<Id>, request: &Request, best: Option<Answer>) {
        let number = self.ground.number();
        let mut longest = Span::ZERO;
        let needed = majority(fellows.len() + 1);
        let mut waiting = 0;
        for peer in fellows {
            let Some(contact) = self.ground.contact(&peer) else { continue };
            let wait = self.ground.answer_wait(&peer).min(SURVEY_WAIT);
            longest = longest.max(wait);
            waiting += 1;
            self.ask(&contact, request.clone(), Purpose::Survey(number), wait);
        }
        self.surveys.insert(number, Survey { then, needed, waiting, heard: 0, best });
        if waiting == 0 {
            return self.on_survey_due(number);
        }
        self.ground.wake(Due::Survey(number), longest);
    }
}

fn is_better_than_nothing(answer: &Answer) -> bool {
    match answer {
        Answer::Value { .. } => true,
        Answer::Holders { holders, .. } => !holders.is_empty(),
        _ => false,
    }
}

/// Surveys under way at one shard: beyond it "not found" is said at once. A guess.
const SURVEYS_MAX: usize = 1_024;
/// Longest wait for a neighbour's word before "not found" is said. A guess: somebody waits for it.
const SURVEY_WAIT: Span = Span::from_millis(1_500);
