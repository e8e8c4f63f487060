//! Slow arithmetic, off the machines' threads.
//!
//! Owns: one thread that checks signatures and hashes, and hands back what holds.
//! Never does: keep anybody waiting for room: a full queue makes the asker do the work itself.

use super::post::Post;
use crate::overlay::Station;
use crate::overlay::contract::{Job, Ticket};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Work for the crew.
pub struct Task {
    /// Whose machine asked, and where the result goes.
    pub post: Arc<Post>,
    /// Which machine.
    pub station: Station,
    /// The machine's name for the work.
    pub ticket: Ticket,
    /// The work.
    pub job: Job,
}

/// The way to the crew.
#[derive(Clone)]
pub struct Crew {
    tasks: Sender<Task>,
}

impl Crew {
    /// Starts the crew's thread. It ends when all ways to it are gone.
    pub fn start() -> io::Result<(Crew, JoinHandle<()>)> {
        let (tasks, waiting) = bounded(TASKS_MAX);
        let thread = thread::Builder::new().name("arras-crew".into()).spawn(move || work(&waiting))?;
        Ok((Crew { tasks }, thread))
    }

    /// Has this done: by the crew, or at once by the caller if the crew has no room.
    pub fn give(&self, task: Task) {
        match self.tasks.try_send(task) {
            Ok(()) => {}
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => finish(task),
        }
    }
}

fn work(waiting: &Receiver<Task>) {
    for task in waiting {
        finish(task);
    }
}

fn finish(task: Task) {
    let puzzle_bits = task.post.puzzle_bits();
    let done = task.job.perform(|contact| contact.check(puzzle_bits).is_ok());
    task.post.done(task.station, task.ticket, done);
}

/// Tasks that wait: a tenth of a second's work at 45 us a signature.
const TASKS_MAX: usize = 2_048;
