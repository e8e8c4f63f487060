//! Do separate processes make one overlay that keeps its word, and does each say clearly what is wrong?
//!
//! Owns: nodes as real processes of the `arras` command on loopback: placed and fetched with its own tools,
//! killed, stopped, started again, and given bad input.
//! Never does: judge speed, or wait for luck: everything is polled with a deadline.

#![expect(clippy::disallowed_methods, reason = "processes are waited for in real time")]

#[path = "../tools/embedded.rs"]
mod embedded;
#[path = "support/kept.rs"]
mod kept;
#[allow(dead_code, reason = "each test uses its part")]
#[path = "support/process.rs"]
mod process;

use arras::base::Id;
use arras::identity::SecretKey;
use arras::wire::object::Record;
use kept::{hex, kept_in, key_of};
use process::{PATIENCE, Process, Town, arras, arras_ended_when, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n ^ (n >> 7) ^ (n >> 15)) as u8).collect()
}

/// The id in a line of JSON, or at the beginning of a line of text.
fn id_of(line: &str) -> String {
    line.split_whitespace().next().expect("an id").to_owned()
}

#[test]
fn six_processes_form_an_overlay_and_what_one_places_the_others_fetch() {
    let town = Town::of(6);
    let (small, large, piped) = (content(1_000), content(3 << 20), content(40_000));
    let files = [town.file("small", &small), town.file("large", &large)];
    let placed = town.nodes[0].arras(&["place", &files[0], &files[1]]).sound().text();
    let mut objects: Vec<(String, &[u8])> = placed.lines().map(id_of).zip([&small[..], &large[..]]).collect();
    assert_eq!(objects.len(), 2, "{placed}");
    let stdin = town.nodes[1].arras_with(&["place", "-", "--json"], &piped).sound().json();
    objects.push((stdin["id"].as_str().expect("an id").to_owned(), &piped));
    for node in &town.nodes {
        for (id, expected) in &objects {
            assert!(node.fetch(id, PATIENCE) == *expected, "{} has other bytes for {id}", node.api);
        }
    }
    let back = town.path("back").display().to_string();
    town.nodes[5].arras(&["get", &objects[1].0, "-o", &back]).sound();
    assert!(std::fs::read(&back).expect("read") == large);
}

/// Asks a node's API, and reads the JSON of a good answer.
fn http(method: &str, node: &Process, path: &str, body: &[u8]) -> Value {
    let uri = format!("{}{path}", node.api);
    let request = ureq::http::Request::builder().method(method).uri(&uri).body(body).expect("a request");
    let mut answer = ureq::run(request).unwrap_or_else(|error| panic!("{method} {uri}: {error}"));
    serde_json::from_reader(answer.body_mut().as_reader()).expect("JSON")
}

#[test]
fn records_and_publications_are_known_everywhere_and_go_again() {
    let town = Town::of(4);
    let owner = SecretKey::from_seed([7; 32]);
    for sequence in 1..=2_u64 {
        let record = Record::sign(&owner, b"salt", sequence, format!("version {sequence}").into_bytes());
        let written = json!({
            "owner": hex(record.owner.as_bytes()), "salt": hex(b"salt"), "sequence": sequence,
            "bytes": hex(&record.bytes.0), "signature": hex(record.signature.as_bytes()),
        });
        let stored = http("PUT", &town.nodes[sequence as usize], "/v1/records", written.to_string().as_bytes());
        assert!(stored["replicas"].as_u64() >= Some(3), "{stored}");
        for node in &town.nodes {
            let found = http("GET", node, &format!("/v1/records/{}", record.id()), b"");
            assert_eq!((&found["sequence"], &found["bytes"]), (&json!(sequence), &written["bytes"]), "{}", node.api);
        }
    }
    let mine = content(20_000);
    let published = town.nodes[2].arras(&["publish", &town.file("mine", &mine), "--json"]).sound().json();
    let id = published["id"].as_str().expect("an id");
    for node in &town.nodes {
        let located = node.arras(&["locate", id, "--json"]).sound().json();
        let holders = located["holders"].as_array().expect("holders");
        assert!(holders.iter().any(|holder| holder["contact"]["id"] == *town.nodes[2].id), "{located}");
        assert!(node.fetch(id, PATIENCE) == mine);
    }
    town.nodes[2].arras(&["unpublish", id]).sound();
    town.nodes[2].arras(&["locate", id]).refused(3, "not found");
    town.nodes[2].arras(&["unpublish", id]).refused(3, "not found");
}

#[test]
fn routes_peers_and_status_tell_the_same_story_as_text_and_as_json() {
    let town = Town::of(3);
    for node in &town.nodes {
        let route = node.arras(&["route", "any text", "--json"]).sound().json();
        let root = route["root"]["id"].as_str().expect("a root");
        assert_eq!(route["hops"].as_u64().expect("hops") as usize, route["path"].as_array().expect("a path").len());
        assert!(town.nodes.iter().any(|node| node.id == root) && (route["hops"] == 0) == (node.id == root), "{route}");
        let text = node.arras(&["route", "any text"]).sound().text();
        let names_root = text.contains(root);
        assert!(names_root && (text.contains("hops in") || text.contains("this node is the root")), "{text}");
        let peers = node.arras(&["peers", "--json"]).sound().json();
        let mut known: Vec<&str> =
            peers["peers"].as_array().expect("peers").iter().filter_map(|peer| peer["id"].as_str()).collect();
        known.push(&node.id);
        known.sort_unstable();
        let mut all: Vec<&str> = town.nodes.iter().map(|node| node.id.as_str()).collect();
        all.sort_unstable();
        assert_eq!(known, all);
        assert_eq!(node.arras(&["peers"]).sound().text().lines().count(), 3);
        let status = node.status();
        assert_eq!((&status["id"], &status["ready"], &status["leaf_set"]), (&json!(node.id), &json!(true), &json!(2)));
        assert!(node.arras(&["status"]).sound().text().contains("state     ready"));
        assert_eq!(node.arras(&["status", "--brief"]).sound().text().lines().count(), 1);
        assert_eq!(http("GET", node, "/readyz", b"")["ready"], true);
    }
}

#[test]
fn two_killed_nodes_lose_nothing_and_come_back_as_who_they_were() {
    let mut town = Town::of(6);
    // What each key gave its word for.
    let mut promised: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    let mut objects: Vec<(String, Vec<u8>)> = Vec::new();
    for index in 0..24_usize {
        let bytes = content(1_000 + index * 1_777);
        let stored = http("POST", &town.nodes[index % 6], "/v1/blobs", &bytes);
        let id = stored["id"].as_str().expect("an id");
        for receipt in stored["receipts"].as_array().expect("receipts") {
            let keeper = receipt["keeper_key"].as_str().expect("a key").to_owned();
            promised.entry(keeper).or_default().push(id.parse().expect("an id"));
        }
        objects.push((id.to_owned(), bytes));
    }
    let large = content(3 << 20);
    let placed = town.nodes[3].arras_with(&["place", "-"], &large).sound().text();
    objects.push((id_of(&placed), large));
    until("the seed of all has saved its contacts", PATIENCE, || {
        town.nodes[0].dir.join("contacts.bin").exists().then_some(())
    });
    let killed = [town.nodes.remove(3).kill(), town.nodes.remove(0).kill()];
    let end = Instant::now() + Duration::from_secs(30);
    for node in &town.nodes {
        for (id, bytes) in &objects {
            assert!(node.fetch(id, end.saturating_duration_since(Instant::now())) == *bytes);
        }
    }
    for (dir, ..) in &killed {
        let promised = promised.get(&key_of(dir)).map_or(&[][..], Vec::as_slice);
        let kept = kept_in(dir);
        let lost: Vec<&Id> = promised.iter().filter(|id| !kept.contains(id)).collect();
        assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), promised.len());
    }
    assert!(promised.values().map(Vec::len).sum::<usize>() >= 3 * 24, "{promised:?}");
    // One comes back by its seed, the other (all others' seed) by the contacts it has saved alone.
    let seed = town.nodes[0].overlay.clone();
    for ((dir, overlay, id), flags) in killed.iter().zip([vec!["--seed", &seed], vec![]]) {
        let node = Process::start(dir, &[&["--listen", overlay], &flags[..]].concat());
        assert_eq!(node.id, *id);
        town.nodes.push(node);
    }
    for node in &town.nodes {
        node.await_leaves(5);
    }
    for node in &town.nodes[4..] {
        for (id, bytes) in &objects {
            assert!(node.fetch(id, PATIENCE) == *bytes);
        }
    }
}

#[test]
fn a_node_told_to_stop_hands_over_and_is_dropped_at_once() {
    let mut town = Town::of(4);
    let bytes = content(100_000);
    // One copy only: without a handover it would be gone with its keeper.
    let objects: Vec<String> = (0..12_usize)
        .map(|index| {
            let piece = &bytes[index * 1_000..];
            let placed = town.nodes[0].arras_with(&["place", "-", "--replicas", "1"], piece).sound().text();
            id_of(&placed)
        })
        .collect();
    let mut left = town.nodes.remove(1);
    let status = left.leave();
    assert_eq!(status.code(), Some(0), "{}", left.log());
    let told = Instant::now();
    for node in &town.nodes {
        node.await_leaves(2);
        let peers = node.arras(&["peers", "--json"]).sound().text();
        assert!(!peers.contains(&left.id), "{peers}");
    }
    // Far below what it takes to find a silent node dead.
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    for node in &town.nodes {
        for (index, id) in objects.iter().enumerate() {
            assert!(node.fetch(id, PATIENCE) == bytes[index * 1_000..]);
        }
    }
}

#[test]
fn a_node_inside_another_program_lives_alone_or_joins_the_others() {
    embedded::main().expect("alone");
    let town = Town::of(2);
    let seeds = town.nodes.iter().map(|node| node.overlay.parse().expect("an address")).collect();
    let id = embedded::say("hello from within", town.path("embedded"), seeds).expect("with others");
    for node in &town.nodes {
        assert_eq!(node.fetch(&id.to_string(), PATIENCE), b"hello from within");
    }
}

#[test]
fn ports_and_directories_in_use_are_refused_in_one_line_and_the_first_node_goes_on() {
    let mut town = Town::of(1);
    let placed = town.nodes[0].arras_with(&["place", "-"], b"kept").sound().text();
    let (dir, other) = (town.nodes[0].dir.display().to_string(), town.path("other").display().to_string());
    let (overlay, api) = (town.nodes[0].overlay.clone(), town.nodes[0].api.replace("http://", ""));
    let start = |dir: &str, listen: &str, api: &str| {
        arras(&["node", "--data-dir", dir, "--listen", listen, "--api-listen", api])
    };
    start(&other, &overlay, "127.0.0.1:0").refused(1, &format!("{overlay} is in use"));
    start(&other, "127.0.0.1:0", &api).refused(1, &format!("{api} is in use"));
    start(&dir, "127.0.0.1:0", "127.0.0.1:0").refused(1, "is used by process");
    start(&town.file("file", b""), "127.0.0.1:0", "127.0.0.1:0").refused(1, "is a file, not a directory");
    assert!(town.nodes[0].runs());
    assert_eq!(town.nodes[0].fetch(&id_of(&placed), PATIENCE), b"kept");
}

#[test]
fn a_hard_puzzle_is_told_and_a_signal_ends_it() {
    let town = Town::of(0);
    let dir = town.path("node");
    let says = "solving the network's puzzle of 40 bits";
    let (data, ports) = (dir.display().to_string(), ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]);
    let node = ["node", "--data-dir", &data, "--set", "network.puzzle_bits=40"];
    arras_ended_when(says, &[&node[..], &ports].concat()).refused(143, "stopped before the node had started");
    assert!(!dir.join("identity.key").exists());
    let crawl = ["crawl", "--seed", "127.0.0.1:1", "--puzzle-bits", "40"];
    arras_ended_when(says, &crawl).refused(1, "stopped before it had solved");
}

#[test]
fn a_node_of_another_network_is_turned_away_and_both_sides_say_why() {
    let town = Town::of(2);
    let seed = town.nodes[0].overlay.clone();
    let stranger = Process::start(&town.path("stranger"), &["--network", "elsewhere", "--seed", &seed]);
    let says = |node: &Process, own: &str, peers: &str| {
        until(&format!("{} says why: {}", node.api, node.log()), PATIENCE, || {
            let log = node.log();
            let said = |line: &&str| line.contains("WARN") && line.contains(own) && line.contains(peers);
            log.lines().any(|line| said(&line)).then_some(())
        });
    };
    says(&stranger, "'arras'", "'elsewhere'");
    says(&town.nodes[0], "'elsewhere'", "'arras'");
    stranger.arras(&["status", "--ready"]).refused(1, "not ready");
    let alone = stranger.status();
    assert_eq!((&alone["peers"], &alone["network"]), (&json!(0), &json!("elsewhere")), "{alone}");
    for node in &town.nodes {
        let peers = node.arras(&["peers", "--json"]).sound().text();
        assert!(!peers.contains(&stranger.id) && node.status()["leaf_set"] == 1, "{peers}");
    }
}

#[test]
fn damaged_contacts_are_a_warning_and_a_damaged_store_is_left_for_a_person() {
    let town = Town::of(1);
    let dir = town.path("node");
    let node = Process::start(&dir, &[]);
    node.await_leaves(0);
    let placed = id_of(&node.arras_with(&["place", "-"], b"kept").sound().text());
    let (_, _, id) = node.kill();
    std::fs::write(dir.join("contacts.bin"), b"rubbish").expect("written");
    let mut node = Process::start(&dir, &["--seed", &town.nodes[0].overlay]);
    assert!(node.id == id && node.log().contains("contacts.bin are not used"), "{}", node.log());
    node.await_leaves(1);
    assert!(node.leave().success());
    let store = dir.join("store.redb");
    let sound = std::fs::read(&store).expect("read");
    for damaged in [b"rubbish".to_vec(), sound[..sound.len() / 3].to_vec()] {
        std::fs::write(&store, &damaged).expect("written");
        let start = ["node", "--data-dir", &dir.display().to_string(), "--listen", "127.0.0.1:0"];
        arras(&[&start[..], &["--api-listen", "127.0.0.1:0"]].concat()).refused(1, "is damaged");
        assert!(std::fs::read(&store).expect("read") == damaged, "nothing was changed");
    }
    std::fs::write(&store, &sound).expect("restored");
    let node = Process::start(&dir, &["--seed", &town.nodes[0].overlay]);
    assert_eq!(node.fetch(&placed, PATIENCE), b"kept");
}

#[test]
fn bad_input_gets_one_clear_line_and_its_exit_code() {
    let town = Town::of(2);
    let node = &town.nodes[1];
    let (empty, missing) = (town.file("empty", b""), town.path("missing").display().to_string());
    let unknown = "ab".repeat(32);
    node.arras(&["get", "xyz"]).refused(2, "malformed id xyz");
    node.arras(&["get", &unknown[1..]]).refused(2, "malformed id");
    node.arras(&["get", &unknown]).refused(3, "not found");
    node.arras(&["locate", &unknown]).refused(3, "not found");
    node.arras(&["place", &empty]).refused(1, "is empty");
    node.arras(&["place", &missing]).refused(1, "No such file");
    // It opens, but no read of it succeeds, whoever asks.
    node.arras(&["place", "/proc/self/mem"]).refused(1, "/proc/self/mem: ");
    arras(&["status", "--api", "127.0.0.1:1"]).refused(5, "no node at");
    for (content, says) in [
        (&b"0,1,2\n1,0\n2,3,0\n"[..], "line 2 has 2 values"),
        (b"0,1\n1,0\n1,1\n", "not square"),
        (b"0,1\n1,soon\n", "line 2, column 2"),
        (b"0,1\n-1,0\n", "latency.csv: line 2, column 1: `-1` is no round trip"),
        (b"", "is empty"),
    ] {
        let latency = town.file("latency.csv", content);
        arras(&["lab", "--nodes", "2", "--latency", &latency]).refused(1, says);
    }
    arras(&["lab", "--nodes", "2", "--latency", &missing]).refused(1, &missing);
}

#[test]
fn a_full_quota_refuses_clearly_and_keeps_what_it_has() {
    let root = Town::of(0);
    let node = Process::begin(&root.path("node"), &[], &[("ARRAS_STORE_QUOTA_BYTES", "100000")]);
    node.await_leaves(0);
    let small = content(20_000);
    let placed = id_of(&node.arras_with(&["place", "-"], &small).sound().text());
    let large = root.file("large", &content(300_000));
    node.arras(&["place", &large]).refused(1, "store.quota_bytes (100000)");
    assert!(node.fetch(&placed, PATIENCE) == small);
    let (dir, ..) = node.kill();
    assert!(Process::start(&dir, &[]).fetch(&placed, PATIENCE) == small);
}

#[test]
fn a_whole_network_stopped_and_started_again_has_its_objects() {
    let mut town = Town::of(3);
    let placed = id_of(&town.nodes[0].arras_with(&["place", "-"], b"kept").sound().text());
    for node in &town.nodes {
        until("contacts are saved", PATIENCE, || node.dir.join("contacts.bin").exists().then_some(()));
    }
    let killed: Vec<_> = town.nodes.drain(..).map(Process::kill).collect();
    for (dir, overlay, id) in &killed {
        let node = Process::start(dir, &["--listen", overlay]);
        assert_eq!(node.id, *id);
        town.nodes.push(node);
    }
    for node in &town.nodes {
        node.await_leaves(2);
        assert_eq!(node.fetch(&placed, PATIENCE), b"kept");
    }
}
