//! What the commands promise: results, files and exit codes.
//!
//! Owns: the tests of the tools against the real API over a port in memory.
//! Never does: start a process, or need an overlay.

use super::*;
use crate::memory_port::MemoryPort;
use arras::base::Id;
use arras::identity::SecretKey;
use arras::overlay::Failure;
use arras::runtime::api::{ApiServer, Served, Written, bind};
use arras::wire::object::Record;
use output::{FAILED, NOT_FOUND, PRINTED, TIMED_OUT, UNREACHABLE, USAGE};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

struct Stage {
    port: Arc<MemoryPort>,
    served: Served,
    _server: ApiServer,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let port = MemoryPort::new();
        let server = ApiServer::start().expect("starts");
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let served = server.serve(listener, Arc::clone(&port) as _, None).expect("serves");
        Stage { port, served, _server: server, dir: tempfile::tempdir().expect("a directory") }
    }

    /// Runs `arras ARGS --api HERE`: what it printed, or how it failed.
    fn arras(&self, arguments: &[&str]) -> Result<String, Exit> {
        let api = self.served.address().to_string();
        command(&[arguments, &["--api", &api]].concat())
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn command(arguments: &[&str]) -> Result<String, Exit> {
    let all = [&["arras"], arguments].concat();
    let parsed = Arguments::try_parse_from(all).map_err(|error| Exit::new(USAGE, error.to_string()))?;
    PRINTED.with_borrow_mut(Vec::clear);
    let output = Output { json: parsed.shared.json, quiet: parsed.shared.quiet };
    run(parsed, output)?;
    Ok(PRINTED.with_borrow(|printed| String::from_utf8_lossy(printed).into_owned()))
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n ^ (n >> 7) ^ (n >> 15)) as u8).collect()
}

#[test]
fn files_are_placed_and_come_back_whole_under_their_name_only_when_sound() {
    let stage = Stage::new();
    let (small, large) = (content(1_000), content(2_500_000));
    let names = [stage.file("small", &small), stage.file("large", &large)];
    let placed = stage.arras(&["place", &names[0], &names[1], "--json", "--lifetime", "1h", "--replicas", "3"]);
    let placed = placed.expect("placed");
    let ids: Vec<String> = placed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned())
        .collect();
    for (id, expected) in ids.iter().zip([&small, &large]) {
        let back = stage.path("back");
        stage.arras(&["get", id, "-o", &back.display().to_string()]).expect("fetched");
        assert!(std::fs::read(&back).expect("read") == *expected);
    }
    assert_eq!(std::fs::read_dir(stage.dir.path()).expect("a directory").count(), 3, "no part is left behind");
    let text = stage.arras(&["place", &names[0]]).expect("placed");
    assert_eq!(text, format!("{}  {}\n", ids[0], names[0]));
    let manifest = stage.path("manifest").display().to_string();
    stage.arras(&["get", "--raw", &ids[1], "-o", &manifest]).expect("the blob itself");
    assert_eq!(Id::hash_of(&std::fs::read(&manifest).expect("read")).to_string(), ids[1]);
}

#[test]
fn an_object_that_is_not_there_leaves_the_old_file_alone() {
    let stage = Stage::new();
    let kept = stage.file("kept", b"old");
    let exit = stage.arras(&["get", &Id::MAX.to_string(), "-o", &kept]).expect_err("missing");
    assert_eq!(exit.code, NOT_FOUND);
    assert_eq!(std::fs::read(&kept).expect("read"), b"old");
    assert_eq!(std::fs::read_dir(stage.dir.path()).expect("a directory").count(), 1);
}

#[test]
fn bad_input_is_one_line_and_the_right_code() {
    let stage = Stage::new();
    let (empty, missing) = (stage.file("empty", b""), stage.path("missing").display().to_string());
    let dir = stage.dir.path().display().to_string();
    let large = stage.file("large", &content((1 << 20) + 1));
    let short_id = "ab".repeat(20);
    let id = Id::MAX.to_string();
    for (arguments, code, says) in [
        (vec!["place", &empty], FAILED, "is empty"),
        (vec!["place", &missing], FAILED, "No such file"),
        (vec!["place", &dir], FAILED, "is a directory"),
        (vec!["place"], USAGE, "FILE"),
        (vec!["place", &large, "--lifetime", "soon"], USAGE, "lifetime"),
        (vec!["publish", &large], FAILED, "`arras place` takes any size"),
        (vec!["get", "xyz"], USAGE, "malformed id xyz"),
        (vec!["get", &short_id], USAGE, "malformed id"),
        (vec!["locate", &short_id], USAGE, "malformed id"),
        (vec!["unpublish", "1"], USAGE, "malformed id"),
        (vec!["unpublish", &id], NOT_FOUND, "not found"),
        (vec!["locate", &id], NOT_FOUND, &format!("{id}: not found")),
        (vec!["locate", "some text"], NOT_FOUND, &format!("{}: not found", Id::hash_of(b"some text"))),
        (vec!["place", &large, "--replicas", "17"], USAGE, "replicas is 17, but must be 1 to 16"),
        (vec!["get", &id, "-o", &dir], FAILED, "is a directory"),
        (vec!["status", "--timeout", "soon"], USAGE, "--timeout"),
        (vec!["crawl", "--limit=0", "--dry-run"], USAGE, "--limit"),
        (vec!["crawl", "--watch=1s", "--rounds=0", "--dry-run"], USAGE, "--rounds"),
    ] {
        let exit = stage.arras(&arguments).expect_err("bad input");
        assert_eq!(exit.code, code, "{arguments:?}: {exit:?}");
        assert!(exit.line.contains(says), "{arguments:?}: {exit:?}");
        assert!(arguments == ["place"] || arguments[0] == "crawl" || !exit.line.trim_end().contains('\n'), "{exit:?}");
    }
}

#[test]
fn a_refusal_in_the_middle_of_a_long_upload_is_told() {
    let stage = Stage::new();
    let long = stage.file("long", &content(40 << 20));
    *stage.port.fails.lock() = Some(Failure::Refused(arras::wire::directory::Refusal::Quota { limit: 5 }));
    let exit = stage.arras(&["place", &long]).expect_err("full");
    assert!(exit.code == FAILED && exit.line.contains("store.quota_bytes (5) is used up"), "{exit:?}");
}

#[test]
fn one_bad_file_of_many_does_not_stop_the_others() {
    let stage = Stage::new();
    let (empty, good) = (stage.file("empty", b""), stage.file("good", b"good"));
    let exit = stage.arras(&["place", &empty, &good]).expect_err("one is empty");
    assert_eq!((exit.code, exit.line.as_str()), (FAILED, ""));
    assert_eq!(stage.port.count(), 1);
}

#[test]
fn a_wrong_address_a_silent_node_and_a_refusal_have_their_codes() {
    let code = |api: &str| command(&["status", "--api", api]).expect_err("wrong").code;
    assert_eq!(code("127.0.0.1:1"), UNREACHABLE);
    for wrong in ["https://127.0.0.1:1", "not an address", "127.0.0.1", ""] {
        assert_eq!(code(wrong), USAGE, "{wrong}");
    }
    let stage = Stage::new();
    stage.port.silent.store(true, Ordering::Relaxed);
    assert_eq!(stage.arras(&["status", "--timeout", "50ms"]).expect_err("silent").code, TIMED_OUT);
    stage.port.silent.store(false, Ordering::Relaxed);
    *stage.port.fails.lock() = Some(Failure::Limit("api.wishes"));
    let exit = stage.arras(&["route", "x"]).expect_err("refused");
    assert!(exit.code == FAILED && exit.line.contains("api.wishes"), "{exit:?}");
}

#[test]
fn routes_peers_and_status_read_well() {
    let stage = Stage::new();
    let route = stage.arras(&["route", "some text/with a slash?"]).expect("routed");
    assert!(route.contains(&Id::hash_of(b"some text/with a slash?").to_string()), "{route}");
    assert!(route.contains("leaf set: the root itself") && route.contains("1 hops in 3.00 ms"), "{route}");
    assert!(stage.arras(&["status"]).expect("status").contains("state     ready"));
    assert!(stage.arras(&["peers"]).expect("peers").starts_with("node "));
    let published = stage.arras(&["publish", &stage.file("mine", b"mine")]).expect("published");
    let id = published.split(' ').next().expect("an id").to_owned();
    assert!(stage.arras(&["locate", &id]).expect("located").contains("127.0.0.1:7420"));
    assert!(stage.arras(&["unpublish", &id]).expect("withdrawn").contains("withdrawn at 3 roots"));
    for arguments in [["route", "x"], ["locate", "mine"]] {
        if let Ok(json) = stage.arras(&[arguments[0], arguments[1], "--json"]) {
            assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
        }
    }
}

#[test]
fn a_record_is_signed_here_and_checked_when_it_comes() {
    let stage = Stage::new();
    let key = stage.path("key").display().to_string();
    let owner = command(&["record", "key", &key]).expect("made");
    assert_eq!(std::fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    let exit = command(&["record", "key", &key]).expect_err("there already");
    assert!(exit.code == FAILED && exit.line.contains("stays as it is"), "{exit:?}");
    let put = |text: &[u8], more: &[&str]| {
        let file = stage.file("text", text);
        stage.arras(&[&["record", "put", "--key", &key, "--salt", "news", &file], more].concat())
    };
    let first = put(b"one", &[]).expect("put");
    let id = first.split(' ').next().expect("an id").to_owned();
    assert_eq!(first, format!("{id}  version 1  on 1 nodes\n"));
    let second: Value = serde_json::from_str(&put(b"", &["--json", "--lifetime", "1h"]).expect("put")).expect("JSON");
    assert_eq!((second["id"].as_str(), second["version"].as_u64()), (Some(&id[..]), Some(2)));
    assert_eq!(stage.arras(&["record", "get", &id]).expect("fetched"), "");
    let exit = put(b"late", &["--expected", "1"]).expect_err("a conflict");
    assert!(exit.code == FAILED && exit.line.contains("the version there is 2"), "{exit:?}");
    assert!(put(b"seven", &["--sequence", "7"]).expect("put").contains("version 7"));
    let named = ["record", "get", "--owner", owner.trim(), "--salt", "news"];
    assert_eq!(stage.arras(&named).expect("fetched"), "seven");
    let shape: Value =
        serde_json::from_str(&stage.arras(&[&named[..], &["--json"]].concat()).expect("JSON")).expect("it");
    assert_eq!((shape["sequence"].as_u64(), shape["bytes"].as_str()), (Some(7), Some("736576656e")));
    let back = stage.path("back").display().to_string();
    assert!(stage.arras(&["record", "get", &id, "-o", &back]).expect("kept").starts_with("version 7  5 bytes"));
    assert_eq!(std::fs::read(&back).expect("read"), b"seven");
}

#[test]
fn what_is_no_record_is_refused() {
    let stage = Stage::new();
    let owner = SecretKey::from_seed([3; 32]);
    let mut forged = Record::sign(&owner, b"", 1, b"text".to_vec());
    forged.sequence = 2;
    let id = forged.id().to_string();
    // The port in memory keeps it, as a node that lies would.
    let body = serde_json::json!(Written::of(&forged)).to_string();
    let uri = format!("http://{}/v1/records", stage.served.address());
    ureq::run(ureq::http::Request::put(uri).body(body.as_bytes()).expect("a request")).expect("kept");
    let (key, file) = (stage.file("key", "07".repeat(32).as_bytes()), stage.file("text", b"text"));
    let (unknown, long, large) = (Id::MAX.to_string(), "s".repeat(65), stage.file("large", &content((1 << 20) + 1)));
    for (arguments, code, says) in [
        (vec!["get", &id], FAILED, "its owner did not sign it"),
        (vec!["get", &unknown], NOT_FOUND, &*unknown),
        (vec!["get", "12"], USAGE, "malformed id"),
        (vec!["get", "--owner", "12", "--salt", ""], USAGE, "--owner 12"),
        (vec!["get"], USAGE, "<ID>"),
        (vec!["put", "--key", &file, "--salt", "", &file], FAILED, "is no key"),
        (vec!["put", "--key", &key, "--salt", &long, &file], USAGE, "--salt has 65 bytes, but may have 64"),
        (vec!["put", "--key", &key, "--salt", "", "--sequence", "0", &file], USAGE, "--sequence"),
        (vec!["put", "--key", &key, "--salt", "", "--replicas", "17", &file], USAGE, "must be 1 to 16"),
        (vec!["put", "--key", &key, "--salt", "", &large], FAILED, "has more than 1048576 bytes"),
    ] {
        let exit = stage.arras(&[&["record"], &arguments[..]].concat()).expect_err("refused");
        assert!(exit.code == code && exit.line.contains(says), "{arguments:?}: {exit:?}");
    }
}

#[test]
fn a_configuration_is_written_once_and_checked() {
    let stage = Stage::new();
    let path = stage.path("arras.toml").display().to_string();
    command(&["config", "init", "--all", "-o", &path]).expect("written");
    assert_eq!(command(&["config", "init", "-o", &path]).expect_err("there already").code, FAILED);
    assert_eq!(command(&["config", "check", "--config", &path]).expect("checks"), "ok\n");
    let exit = command(&["config", "check", "--set", "router.link_budget=3"]).expect_err("too small");
    assert!(exit.code == USAGE && exit.line.contains("(flag --set)"), "{exit:?}");
    for wrong in ["nonsense", "info,arras=loud", "=debug", "arras::=debug=info", "info/a/b", "inf"] {
        let exit = command(&["config", "check", "--set", &format!("node.log={wrong}")]).expect_err(wrong);
        assert!(exit.code == USAGE && exit.line.contains("(flag --set)"), "{exit:?}");
        assert!(wrong.contains('/') || exit.line.contains("off, error, warn, info, debug or trace"), "{exit:?}");
    }
    for sound in ["debug", "INFO, arras=debug", "arras::runtime", "off,quinn_proto=trace", "", "warn/link"] {
        command(&["config", "check", "--set", &format!("node.log={sound}")]).expect(sound);
    }
    let shown = command(&["config", "show", "--origin", "--set", "router.link_budget=77"]).expect("shown");
    assert!(shown.lines().any(|line| line.starts_with("router.link_budget = 77 ") && line.ends_with("# flag --set")));
}

#[test]
fn a_node_that_cannot_start_says_why() {
    let refuse =
        |config: arras::runtime::Config| Err(format!("data directory {} is used", config.node.data_dir.display()));
    let start = |arguments: &[&str]| {
        let parsed = Arguments::try_parse_from([&["arras", "node"], arguments].concat()).expect("parses");
        let Command::Node(node) = parsed.command else { panic!("a node") };
        node::run(&node, &parsed.shared, Output { json: false, quiet: true }, &refuse).expect_err("refused")
    };
    let exit = start(&["--data-dir", "/d", "--seed", "127.0.0.1:1", "--seed", "127.0.0.1:2", "-q"]);
    assert_eq!((exit.code, exit.line.as_str()), (FAILED, "data directory /d is used"));
    assert_eq!(start(&["--listen", "nowhere"]).code, USAGE);
    let exit = start(&["--data-dir", "/d", "--log", "nonsense"]);
    assert!(exit.code == USAGE && exit.line.contains("node.log cannot be \"nonsense\""), "{exit:?}");
    assert!(start(&["--api-listen", "0.0.0.0:7421"]).line.contains("set api.token"));
}

/// Runs a simulation; gives its JSON.
fn simulated(arguments: &[&str]) -> Value {
    let printed = command(&[&["sim", "--json"], arguments].concat()).expect("it runs and nothing fails");
    serde_json::from_str(&printed).expect("one object")
}

#[test]
fn a_simulation_has_the_labs_fields_and_says_how_it_was_built() {
    let small = ["--nodes", "12", "--lookups", "100", "--warm-up", "50", "--keys", "3", "--underlay", "plane"];
    let direct = simulated(&[&small[..], &["--build", "direct"]].concat());
    assert_eq!(direct["build"], "built directly, sample 32 per slot");
    assert_eq!(direct["experience"], "one experience shared by all nodes");
    assert!(direct["bytes_per_node_s"].is_null() && direct["events"].is_null());
    let crowd = simulated(&[&small[..], &["--rate", "5", "--settle", "30", "--link-budget", "32"]].concat());
    assert!(crowd["bytes_per_node_s"]["mean"].as_f64() > Some(0.0));
    assert!(crowd["bytes"]["routing"].as_u64() > Some(0) && crowd["events"].as_u64() > Some(0));
    for outcome in [direct, crowd] {
        assert_eq!((&outcome["nodes"], &outcome["lookups"], &outcome["failed"]), (&12.into(), &100.into(), &0.into()));
        assert_eq!(outcome["roots_agree"], true);
        for field in ["hops", "stretch", "lookup_ms", "direct_ms", "contacts_per_node", "links_per_node"] {
            assert!(outcome[field]["mean"].as_f64() > Some(0.0), "{field}");
        }
    }
}

#[test]
fn detours_are_counted_however_the_overlay_was_built() {
    let small = ["--lookups", "200", "--warm-up", "200", "--keys", "1", "--underlay", PLANETLAB];
    let direct = ["--build", "direct", "--nodes", "300", "--leaf-set", "4", "--link-budget", "40"];
    for more in [&direct[..], &["--nodes", "24", "--rate", "5", "--settle", "60", "--link-budget", "32"]] {
        let outcome = simulated(&[&small[..], more].concat());
        assert!(outcome["detours_per_lookup"].as_f64() > Some(0.0), "{}", outcome["detours_per_lookup"]);
    }
    let without = ["--nodes", "24", "--rate", "5", "--settle", "60", "--link-budget", "32", "--detours", "false"];
    let outcome = simulated(&[&small[..], &without].concat());
    assert_eq!((&outcome["detours"], &outcome["detours_per_lookup"]), (&false.into(), &0.0.into()));
    assert!(outcome["sent_per_node_s"]["forward"].is_object(), "{outcome}");
    assert!(outcome["sent_per_node_s"]["reach"].is_null(), "{}", outcome["sent_per_node_s"]);
}

/// Tables built directly have no far end's budget to heed: of few links they make more than the protocol does, about a tenth here.
#[test]
fn tables_built_directly_are_worth_what_the_protocols_are_within_an_eighth() {
    let network = ["--nodes", "128", "--underlay", PLANETLAB, "--leaf-set", "4", "--link-budget", "24"];
    let asked = ["--lookups", "2000", "--warm-up", "3000", "--keys", "1"];
    let stretch = |more: &[&str]| {
        let outcome = simulated(&[&network[..], &asked, more].concat());
        outcome["stretch"]["ratio_of_means"].as_f64().expect("a number")
    };
    let (direct, protocol) = (stretch(&["--build", "direct"]), stretch(&["--rate", "5"]));
    assert!((direct / protocol - 1.0).abs() < 0.125, "directly {direct}, by the protocol {protocol}");
}

#[test]
fn askers_may_all_be_at_one_site() {
    let small = ["--lookups", "40", "--warm-up", "10", "--keys", "1", "--nodes", "132", "--underlay", AWS];
    let direct = ["--build", "direct", "--leaf-set", "4", "--link-budget", "24"];
    let crowd = ["--rate", "5", "--settle", "30", "--leaf-set", "4", "--link-budget", "24"];
    for more in [&direct[..], &crowd[..]] {
        let everywhere = simulated(&[&small[..], more].concat());
        let of = |site: &str| simulated(&[&small[..], more, &["--asker-site", site]].concat());
        // Cape Town is far from everybody, Frankfurt near to many.
        let means = [of("0"), of("16")].map(|outcome| outcome["direct_ms"]["mean"].as_f64().expect("a number"));
        assert!(means[0] > means[1] && everywhere["asker_site"].is_null(), "{means:?}");
        let shares = everywhere["hops_shares"].as_array().expect("a list");
        let (sum, mean) = shares.iter().enumerate().fold((0.0, 0.0), |(sum, mean), (hops, share)| {
            let share = share.as_f64().expect("a number");
            (sum + share, mean + share * hops as f64)
        });
        assert!((sum - 1.0).abs() < 1e-9 && (mean - everywhere["hops"]["mean"].as_f64().unwrap()).abs() < 1e-9);
        let exit = command(&[&["sim"], &small[..], more, &["--asker-site", "99"]].concat()).expect_err("refused");
        assert!(exit.code == USAGE && exit.line.contains("are between"), "{exit:?}");
    }
}

#[test]
fn objects_are_found_and_told_of_however_the_overlay_was_built() {
    let small = ["--nodes", "16", "--lookups", "10", "--warm-up", "10", "--keys", "1", "--underlay", "plane"];
    let asked = ["--copies", "3", "--asks-per-node", "5"];
    let direct = simulated(&[&small[..], &asked, &["--build", "direct"]].concat());
    let crowd = ["--objects-per-node", "2", "--rate", "5", "--settle", "30", "--link-budget", "32"];
    let crowd = simulated(&[&small[..], &asked, &crowd].concat());
    assert_eq!(crowd["objects"]["claims"]["made"], 16 * 2 * 3);
    assert_eq!(
        (&crowd["objects"]["claims"]["failed"], &crowd["objects"]["claims"]["roots_missing"]),
        (&0.into(), &0.into())
    );
    assert_eq!((&crowd["objects"]["objects"], &crowd["objects"]["asks"]), (&32.into(), &80.into()));
    assert!(direct["objects"]["claims"].is_null() && crowd["objects"]["come_to"].is_null());
    assert!(direct["objects"]["come_to"]["nearest_share"].as_f64() <= direct["objects"]["nearest_share"].as_f64());
    for objects in [&direct["objects"], &crowd["objects"]] {
        assert_eq!((&objects["failed"], &objects["copies"]), (&0.into(), &3.into()));
        assert!(objects["stretch"]["p50"].as_f64() >= Some(1.0) && objects["stretch"]["deciles"][0].is_object());
        assert!(objects["nearest_share"].as_f64() <= objects["top_two_share"].as_f64());
    }
    let text = command(&[&["sim"], &small[..], &asked, &["--build", "direct", "--seeds", "2"]].concat()).expect("runs");
    for part in ["object stretch", "one of two nearest", "first copy come to", "objects.extra_delay"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(simulated(&[&small[..], &["--build", "direct"]].concat())["objects"].is_null());
}

/// The expected hashes hold in debug and release builds, on any machine. They change whenever the
/// protocol or the rule of the next hop does: then write the new ones here.
#[test]
fn a_simulation_is_the_same_every_time() {
    let small = ["--nodes", "12", "--lookups", "50", "--warm-up", "20", "--keys", "2", "--leaf-set", "4"];
    let rough = ["--underlay", PLANETLAB, "--loss", "0.02", "--jitter", "0.2", "--duplication", "0.05"];
    let crowd = [&["--build", "crowd", "--rate", "5", "--settle", "30", "--drift-ppm", "100"], &rough[..]].concat();
    for (build, expected) in [(&crowd[..], CROWD_HASH), (&["--build", "direct"], DIRECT_HASH)] {
        let hash = |seed: &str| {
            let outcome = simulated(&[&small[..], &["--link-budget", "8", "--seed", seed], build].concat());
            outcome["trace_hash"].as_str().expect("a hash").to_owned()
        };
        assert_eq!(hash("7"), expected, "{build:?}");
        assert_eq!(hash("7"), expected, "{build:?}, once more");
        assert_ne!(hash("8"), expected, "{build:?}, another seed");
    }
}

#[test]
fn a_simulation_tells_what_became_of_stored_values() {
    let nodes =
        ["--nodes", "16", "--lookups", "20", "--warm-up", "20", "--keys", "2", "--leaf-set", "8", "--settle", "30"];
    let churn = ["--session-min", "20", "--absence-min", "5"];
    let stored = ["--store", "60", "--store-hours", "0.5", "--gets-per-s", "0.2"];
    let outcome = simulated(&[&nodes[..], &churn, &stored].concat());
    let stored = &outcome["stored"];
    let count = |name: &str| stored[name].as_u64().unwrap_or_else(|| panic!("no {name}: {stored}"));
    assert_eq!((count("put"), count("records"), count("put_failed"), count("lost")), (60, 6, 0, 0));
    assert_eq!(count("gets") + count("gets_excused"), 360);
    assert!(count("gets_failed") < 8 && count("fewest_copies") > 0 && count("crashes") > 5, "{stored}");
    assert!(count("theory_bytes") > 5_000 && stored["repair"]["push"]["messages"].as_u64() > Some(20), "{stored}");
    assert!(stored["repair_over_theory"].as_f64().is_some_and(|ratio| ratio < 20.0), "{stored}");
    assert!(simulated(&["--nodes", "12", "--lookups", "20", "--warm-up", "20", "--keys", "2"])["stored"].is_null());
}

const AWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/data/aws33_p50.u32le.gz");
const PLANETLAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/data/planetlab490_median.u32le.gz");
const CROWD_HASH: &str = "b7b35fa9d96bee57";
const DIRECT_HASH: &str = "dbc2013360c9cf11";

#[test]
fn a_simulation_without_sense_is_refused() {
    for (arguments, said) in [
        (vec!["--nodes", "0"], "--nodes"),
        (vec!["--leaf-set", "25"], "--leaf-set"),
        (vec!["--link-budget", "10"], "--link-budget"),
        (vec!["--sample", "4"], "needs --build direct"),
        (vec!["--build", "direct", "--settle", "4"], "--settle"),
        (vec!["--build", "direct", "--dead", "1"], "--dead"),
        (vec!["--access-ms=-1"], "--access-ms"),
        (
            vec!["--underlay", "transitstub"],
            "transitstub: there is no such file, and the names are none, plane, sphere,",
        ),
        (vec!["--copies", "5"], "need --asks-per-node"),
        (vec!["--asks-per-node", "5"], "needs --objects-per-node"),
        (vec!["--asks-per-node", "0", "--objects-per-node", "1"], "--asks-per-node"),
        (vec!["--asks-per-node", "5", "--objects-per-node", "5", "--build", "direct"], "nothing is published"),
        (vec!["--asks-per-node", "5", "--build", "direct", "--copies", "100"], "--copies"),
        (vec!["--asks-per-node", "5", "--build", "direct", "--dead", "0.1"], "--dead"),
        (vec!["--store-hours", "2"], "need --store"),
        (vec!["--store", "5", "--build", "direct"], "--store"),
        (vec!["--store", "0"], "--store"),
        (vec!["--store", "5", "--store-hours", "10000"], "--store-hours"),
        (vec!["--store", "5", "--gets-per-s", "0"], "--gets-per-s"),
    ] {
        let exit = command(&[&["sim"], &arguments[..]].concat()).expect_err("refused");
        assert_eq!(exit.code, USAGE, "{arguments:?}");
        assert!(exit.line.contains(said), "{arguments:?}: {}", exit.line);
    }
    let exit = command(&["sim", "--underlay", "no-such-file.csv"]).expect_err("there is none");
    assert_eq!(exit.code, FAILED);
    let stage = Stage::new();
    for (scenario, says) in [
        ("question = \"?\"\n[[run]]\nname = \"x\"\noptions.network.nods = 3\n", ":4: unknown field `nods`"),
        ("question = \"?\"\nrun = []\n", "there is no [[run]]"),
        ("question\n", ":1: "),
    ] {
        let file = stage.file("scenario.toml", scenario.as_bytes());
        let exit = command(&["sim", "--scenario", &file]).expect_err("refused");
        assert!(exit.code == USAGE && exit.line.contains(says) && !exit.line.contains('\n'), "{exit:?}");
    }
}

#[test]
fn a_run_of_a_scenario_that_flags_change_says_so_in_its_name() {
    let stage = Stage::new();
    let text = "question = \"?\"\n[options.network]\nnodes = 30\n[options.tables]\nbuild = \"direct\"\n\
                [[run]]\nname = \"30 nodes\"\n";
    let file = stage.file("scenario.toml", text.as_bytes());
    let small = ["--scenario", &file, "--lookups", "20", "--seed", "3"];
    assert_eq!(simulated(&small)["run"], "30 nodes (with --lookups 20)");
    let run = &simulated(&[&small[..], &["--nodes", "12"]].concat())["run"];
    assert_eq!(run, "30 nodes (with --lookups 20 --nodes 12)");
    assert_eq!(simulated(&["--scenario", &file, "--seed", "3"])["run"], "30 nodes");
}

#[test]
fn a_lab_without_sense_is_refused() {
    for (arguments, said) in [
        (["--nodes", "0"], "--nodes: a lab has 1 to 2000 nodes, not 0"),
        (["--nodes", "2001"], "not 2001"),
        (["--leaf-set", "25"], "--leaf-set takes 1 to 24"),
        (["--link-budget", "3"], "--link-budget 3 is less than"),
        (["--contacts-per-slot", "0"], "--contacts-per-slot takes 1 to 8"),
        (["--measure", "weight"], "--measure"),
    ] {
        let exit = command(&[&["lab"], &arguments[..]].concat()).expect_err("refused");
        assert!(exit.code == USAGE && exit.line.contains(said), "{arguments:?}: {exit:?}");
    }
    assert_eq!(command(&["lab", "--latency", "no-such-file.csv"]).expect_err("there is none").code, FAILED);
}
