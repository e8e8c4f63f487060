//! Asking the neighbours what they have.
//!
//! Owns: surveys under way: a root that lacks something asks the replica set before it says "not
//! found", since it may be new in its place; and a compare-and-swap asks for the newest version.
//! Never does: check what it hears: whoever gets the answer does.

use super::Directory;
use super::away::{Due, Purpose, Replier};
use crate::base::{Id, Span};
use crate::wire::directory::{Answer, Request};
use std::collections::BTreeMap;

/// Surveys under way.
pub(super) type Surveys = BTreeMap<u64, Survey>;

/// One of them.
pub(super) struct Survey {
    then: SurveyThen,
    waiting: usize,
    heard: usize,
    best: Option<Answer>,
}

/// What a survey is for.
#[derive(Clone, Copy, Debug)]
enum SurveyThen {
    /// To answer this.
    Reply(Replier),
    /// To go on with a put, once so many (this node included) have told.
    Put { put: u64, needed: usize },
}

impl Directory {
    /// Passes a request this root cannot answer on to its neighbours.
    pub(super) fn survey(&mut self, replier: Replier, object: &Id, request: &Request) {
        let fellows = self.ground.fellows(object, usize::from(self.ground.tuning.replicas) + 1);
        if fellows.is_empty() || self.surveys.len() >= SURVEYS_MAX || self.away.is_crowded() {
            return self.reply(replier, Answer::NotFound);
        }
        self.survey_start(SurveyThen::Reply(replier), fellows, request);
    }

    /// Asks the replica set for its newest version, for a compare-and-swap.
    pub(super) fn survey_for_put(&mut self, put: u64, object: Id, copies: usize, needed: usize) {
        let fellows = self.ground.fellows(&object, copies);
        if fellows.is_empty() {
            return self.on_root_put_surveyed(put, None);
        }
        self.survey_start(SurveyThen::Put { put, needed }, fellows, &Request::Fetch { object });
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
        let is_enough = match survey.then {
            // A blob is what it is; of records the newest counts, so all are heard.
            SurveyThen::Reply(_) => match &survey.best {
                Some(Answer::Value { value, .. }) => value.version() == 0,
                Some(_) => true,
                None => false,
            },
            SurveyThen::Put { needed, .. } => survey.heard + 1 >= needed,
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
            SurveyThen::Put { put, .. } => {
                let newest = match survey.best {
                    Some(Answer::Value { value, .. }) => Some(value.version()),
                    _ => None,
                };
                self.on_root_put_surveyed(put, newest);
            }
        }
    }

    fn survey_start(&mut self, then: SurveyThen, fellows: Vec<Id>, request: &Request) {
        let number = self.ground.number();
        let mut longest = Span::ZERO;
        let mut waiting = 0;
        for peer in fellows {
            let Some(contact) = self.ground.contact(&peer) else { continue };
            let wait = self.ground.answer_wait(&peer).min(SURVEY_WAIT);
            longest = longest.max(wait);
            waiting += 1;
            self.ask(&contact, request.clone(), Purpose::Survey(number), wait);
        }
        self.surveys.insert(number, Survey { then, waiting, heard: 0, best: None });
        if waiting == 0 {
            return self.on_survey_due(number);
        }
        self.ground.wake(Due::Survey(number), longest);
    }
}

fn is_better_than_nothing(answer: &Answer) -> bool {
    match answer {
        Answer::Value { .. } => true,
        Answer::Holders { holders } => !holders.is_empty(),
        _ => false,
    }
}

/// Surveys under way at one shard: beyond it "not found" is said at once. A guess.
const SURVEYS_MAX: usize = 1_024;
/// Longest wait for a neighbour's word before "not found" is said. A guess: somebody waits for it.
const SURVEY_WAIT: Span = Span::from_millis(1_500);
