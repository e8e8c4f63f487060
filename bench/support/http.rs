//! What does the way through the HTTP API add?
//!
//! Owns: blocking clients of one node's API, a connection each, that take the place of the library handle in
//! a phase.
//! Never does: pool or batch what the handle would not.

use super::Fault;
use super::phase::Told;
use arras::runtime::api::{ApiServer, Served, bind};
use arras::runtime::handle::NodePort;
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// One request.
pub enum Ask {
    /// `GET` of this path.
    Get(String),
    /// `POST` of these bytes to this path.
    Post(String, Vec<u8>),
}

/// What came back: the body, or what went wrong.
pub type Answer = Result<Vec<u8>, String>;

/// The API of one node, and clients that ask it.
pub struct Clients {
    jobs: Option<Sender<(Ask, Told<Answer>)>>,
    threads: Vec<JoinHandle<()>>,
    _served: Served,
    _server: ApiServer,
}

impl Clients {
    /// Serves this node's API on a port of the system's choice, and starts so many clients.
    pub fn start(node: Arc<dyn NodePort>, count: usize) -> Result<Clients, Fault> {
        let server = ApiServer::start()?;
        let served = server.serve(bind("127.0.0.1:0".parse()?)?, node, None)?;
        let base = format!("http://{}", served.address());
        let (jobs, waiting) = unbounded();
        let client = |number: usize| {
            let (waiting, base) = (waiting.clone(), base.clone());
            thread::Builder::new().name(format!("bench-http-{number}")).spawn(move || work(&waiting, &base))
        };
        let threads = (0..count).map(client).collect::<Result<_, _>>()?;
        Ok(Clients { jobs: Some(jobs), threads, _served: served, _server: server })
    }

    /// Has a client ask this.
    pub fn ask(&self, ask: Ask, told: Told<Answer>) {
        if let Some(jobs) = &self.jobs {
            // The clients end only with this value.
            let _ = jobs.send((ask, told));
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(waiting: &Receiver<(Ask, Told<Answer>)>, base: &str) {
    let agent = ureq::Agent::new_with_defaults();
    for (ask, told) in waiting {
        let answer = match ask {
            Ask::Get(path) => agent.get(format!("{base}{path}")).call(),
            Ask::Post(path, bytes) => agent.post(format!("{base}{path}")).send(&bytes[..]),
        };
        let answer = answer.and_then(|mut answer| answer.body_mut().read_to_vec());
        told.tell(answer.map_err(|error| error.to_string()));
    }
}
