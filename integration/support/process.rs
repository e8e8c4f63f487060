//! The arras command as real processes.
//!
//! Owns: starting nodes on ports the system chooses, running commands against them with a deadline, and
//! ending every process that was started, whatever becomes of the test.
//! Never does: end a process by anything but its own handle.

use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails: slow machines run many tests at once.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(40);

/// What a command that ended said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

/// A node that runs, until this is dropped.
pub struct Process {
    child: Ended,
    log: PathBuf,
    pub dir: PathBuf,
    pub id: String,
    pub overlay: String,
    pub api: String,
}

/// Nodes whose data lie under one temporary directory.
pub struct Town {
    pub nodes: Vec<Process>,
    root: tempfile::TempDir,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It went well.
    #[track_caller]
    pub fn sound(self) -> Ran {
        assert!(self.code == Some(0), "{self:?}");
        self
    }

    /// It failed with this code and one line that says this.
    #[track_caller]
    pub fn refused(self, code: i32, says: &str) {
        assert!(self.code == Some(code) && self.err.contains(says), "expected {code} and \"{says}\": {self:?}");
        let lines: Vec<&str> = self.err.lines().filter(|line| !line.is_empty() && !is_log(line)).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("arras: "), "not one line: {self:?}");
        assert!(self.out.is_empty(), "{self:?}");
    }
}

/// A line of the log has a time stamp in brackets before it.
fn is_log(line: &str) -> bool {
    line.starts_with('[')
}

/// The command without whatever the caller's environment has to say.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arras"));
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ARRAS_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end, with this on its stdin.
pub fn arras_with(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Ended(command.spawn().expect("the command starts"));
    let mut input = child.0.stdin.take().expect("piped");
    let (out, err) = (child.0.stdout.take().expect("piped"), child.0.stderr.take().expect("piped"));
    let (out, err) = (thread::spawn(move || all(out)), thread::spawn(move || all(err)));
    let stdin = stdin.to_vec();
    // A command that does not read its stdin closes it: that is no failure.
    let fed = thread::spawn(move || drop(input.write_all(&stdin)));
    let status = child.ended();
    drop(child);
    let (out, err) = (out.join().expect("read"), err.join().expect("read"));
    fed.join().expect("written");
    let err = String::from_utf8_lossy(&err).into_owned();
    let status = status.unwrap_or_else(|| panic!("`arras {}` does not end: {err}", arguments.join(" ")));
    Ran { code: status.code(), out, err }
}

/// Runs the command to its end.
pub fn arras(arguments: &[&str]) -> Ran {
    arras_with(arguments, b"")
}

/// Runs the command until its stderr says this, then asks it to end (SIGTERM), and waits until it has.
#[track_caller]
pub fn arras_ended_when(says: &str, arguments: &[&str]) -> Ran {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut command = command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen().expect("opened"));
    let mut child = Ended(command.spawn().expect("the command starts"));
    let said = || std::fs::read_to_string(log.path()).expect("read");
    until(says, PATIENCE, || {
        assert!(child.0.try_wait().expect("its status").is_none(), "it ended: {}", said());
        said().contains(says).then_some(())
    });
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("`kill` runs").success());
    let status = child.ended().unwrap_or_else(|| panic!("it does not end: {}", said()));
    Ran { code: status.code(), out: Vec::new(), err: said() }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {patience:?}: {what}");
        thread::sleep(PAUSE);
    }
}

impl Town {
    /// So many nodes that know each other and are ready; the first is the seed of the others.
    pub fn of(count: usize) -> Town {
        let mut town = Town { nodes: Vec::new(), root: tempfile::tempdir().expect("a directory") };
        for index in 0..count {
            let seed = town.nodes.first().map(|first| first.overlay.clone());
            let seed = seed.as_deref().map(|seed| vec!["--seed", seed]).unwrap_or_default();
            let node = Process::start(&town.path(&format!("node-{index}")), &seed);
            town.nodes.push(node);
        }
        for node in &town.nodes {
            node.await_leaves(count - 1);
        }
        town
    }

    /// A path under the town's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file there.
    pub fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    }
}

impl Process {
    /// Starts a node on ports the system chooses, unless the flags say otherwise, and waits until it says
    /// where it listens. A failed start panics with what it said.
    pub fn start(dir: &Path, flags: &[&str]) -> Process {
        Process::begin(dir, flags, &[])
    }

    /// The same with environment variables.
    pub fn begin(dir: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut log = dir.as_os_str().to_owned();
        log.push(".log");
        let mut said = dir.as_os_str().to_owned();
        said.push(".out");
        let (log, said) = (PathBuf::from(log), PathBuf::from(said));
        let create = |path: &Path| std::fs::File::create(path).expect("created");
        let data = dir.display().to_string();
        let mut arguments = vec!["node", "--json", "--data-dir", &data];
        for (flag, chosen) in [("--listen", "127.0.0.1:0"), ("--api-listen", "127.0.0.1:0")] {
            if !flags.contains(&flag) {
                arguments.extend([flag, chosen]);
            }
        }
        let mut command = command(&[&arguments, flags].concat());
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(create(&said)).stderr(create(&log));
        let mut child = Ended(command.spawn().expect("the command starts"));
        let line = until("the node says where it listens", PATIENCE, || {
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            if text.ends_with('\n') {
                return Some(text);
            }
            let status = child.0.try_wait().expect("its status");
            assert!(
                status.is_none(),
                "the node ended ({status:?}): {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            None
        });
        let shape: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| shape[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}")).to_owned();
        let (id, overlay, api) = (text("id"), text("overlay"), text("api"));
        Process { child, log, dir: dir.to_owned(), id, overlay, api }
    }

    /// Runs a command against this node.
    pub fn arras(&self, arguments: &[&str]) -> Ran {
        self.arras_with(arguments, b"")
    }

    /// The same with this on its stdin.
    pub fn arras_with(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        arras_with(&[arguments, &["--api", &self.api]].concat(), stdin)
    }

    pub fn status(&self) -> Value {
        self.arras(&["status", "--json"]).sound().json()
    }

    /// Waits until the node is ready and has so many others in its leaf set.
    #[track_caller]
    pub fn await_leaves(&self, count: usize) {
        until(&format!("{} is ready with {count} leaves", self.api), PATIENCE, || {
            let ran = self.arras(&["status", "--ready", "--json"]);
            (ran.code == Some(0) && ran.json()["leaf_set"] == count).then_some(())
        });
    }

    /// Fetches to stdout, until the object comes or the patience ends.
    #[track_caller]
    pub fn fetch(&self, object: &str, patience: Duration) -> Vec<u8> {
        until(&format!("{} fetches {object}", self.api), patience, || {
            let ran = self.arras(&["get", object, "--timeout", "5s"]);
            (ran.code == Some(0)).then_some(ran.out)
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its number, for the system's own tools.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Stops it where it stands (SIGSTOP): it neither reads nor answers, and its clock goes on without it.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`Process::freeze`] (SIGCONT).
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("`kill` runs").success());
    }

    /// Its resident memory in KiB, where the system tells (Linux).
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.0.try_wait().expect("its status").is_none()
    }

    /// Ends it as a crash would (SIGKILL). What is left is its directory and its address.
    pub fn kill(mut self) -> (PathBuf, String, String) {
        self.child.0.kill().expect("killed");
        self.child.0.wait().expect("ended");
        (self.dir.clone(), self.overlay.clone(), self.id.clone())
    }

    /// Asks it to leave (SIGTERM), and waits until it has.
    pub fn leave(&mut self) -> ExitStatus {
        self.signal("-TERM");
        until("the node has left", PATIENCE, || self.child.0.try_wait().expect("its status"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- {} {}\n{}", self.id, self.api, lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

/// A child that is ended unless somebody keeps it.
struct Ended(Child);

impl Ended {
    fn ended(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().expect("its status") {
                return Some(status);
            }
            thread::sleep(PAUSE / 4);
        }
        None
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("read");
    bytes
}
