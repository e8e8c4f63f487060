//! A network of its own for one node, on the same machine.
//!
//! Owns: network namespaces without a name, each held by a process that ends with the test, and running
//! things inside one.
//! Never does: leave one behind: the kernel removes a namespace with the last process and socket in it.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A network namespace.
pub struct Land {
    _holder: Holder,
    place: File,
}

/// The process that keeps a namespace: it waits for the end of its stdin, so it ends with the test
/// even if the test is killed.
struct Holder(Child);

impl Land {
    /// A new one in which these are addresses of its own. An error says in one line what this machine lacks.
    pub fn with(addresses: &[Ipv4Addr]) -> Result<Land, String> {
        let add: Vec<String> = addresses.iter().map(|address| format!("ip addr add {address}/32 dev lo")).collect();
        let script = format!("set -e; ip link set lo up; {}; echo ready; exec cat", add.join("; "));
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = Holder(command.spawn().map_err(|error| format!("`unshare`: {error}"))?);
        let mut said = String::new();
        let read = BufReader::new(holder.0.stdout.take().expect("piped")).read_line(&mut said);
        if read.is_err() || said != "ready\n" {
            let mut why = String::new();
            let mut err = holder.0.stderr.take().expect("piped");
            err.read_to_string(&mut why).map_err(|error| error.to_string())?;
            return Err(why.lines().next().unwrap_or("`unshare` says nothing").to_owned());
        }
        let place = format!("/proc/{}/ns/net", holder.0.id());
        let place = File::open(&place).map_err(|error| format!("{place}: {error}"))?;
        Ok(Land { _holder: holder, place })
    }

    /// Does this inside, on a thread of its own: sockets it opens and processes it starts belong to the land.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let moved = || {
            move_into_link_name_space(self.place.as_fd(), Some(LinkNameSpaceType::Network)).expect("moved in");
            work()
        };
        let done = thread::scope(|scope| scope.spawn(moved).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Takes an address away, or gives it back: packets to one that is not there are refused by the kernel at once.
    pub fn ip(&self, arguments: &[&str]) {
        let done = self.inside(|| Command::new("ip").args(arguments).output().expect("`ip` runs"));
        assert!(done.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
