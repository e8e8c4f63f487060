//! Tests of what the benches share.
//!
//! Owns: the closed loop, the parsing of the system's files, the rivals' table and the bars.
//! Never does: measure.

#[allow(dead_code, clippy::disallowed_methods, reason = "tests use their part; benches measure real time")]
#[path = "mod.rs"]
mod support;

use arras::survey::plot::Better;
use std::time::Duration;
use support::bars::BarList;
use support::cost::{meets, receive_drops, sig, stat_cpu_us};
use support::phase::{Spec, Told, median, percentile, run};
use support::rivals;

#[test]
fn a_phase_issues_every_operation_once_and_counts_failures() {
    let spec = Spec { name: "x".into(), at_once: 4, rounds: 2, ops_max: 10, secs: 5.0 };
    let (mut most, mut seen) = (0, Vec::new());
    let (asked, told) = std::sync::mpsc::channel::<(usize, Told<usize>)>();
    let server = std::thread::spawn(move || {
        let mut served = 0;
        for (number, tell) in told {
            std::thread::sleep(Duration::from_millis(2));
            tell.tell(number);
            served += 1;
        }
        served
    });
    let mut under_way = 0;
    let under_way = std::cell::RefCell::new(&mut under_way);
    let phase = run(
        &spec,
        &mut |number, tell| {
            **under_way.borrow_mut() += 1;
            most = most.max(**under_way.borrow());
            asked.send((number, tell)).expect("served");
        },
        &mut |number, got| {
            **under_way.borrow_mut() -= 1;
            seen.push(number);
            if got == 3 { Err("three".to_owned()) } else { Ok(()) }
        },
    );
    drop(asked);
    assert_eq!(server.join().expect("ended"), 20);
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    assert_eq!((phase.ops(), phase.errors, phase.rounds.len()), (19, 1, 2));
    assert_eq!(most, 4, "as many outstanding as asked for");
    assert!(phase.p50_us() >= 2_000.0 && phase.rate() > 0.0);
    let json = phase.json();
    for field in ["name", "concurrency", "ops", "errors", "first_error", "ops_per_s", "ops_per_s_rounds", "p50_us"] {
        assert!(!json[field].is_null(), "{field}");
    }
    for field in ["p99_us", "mean_us", "max_us", "cpu_us_per_op", "lo_packets_per_op", "lo_bytes_per_op"] {
        assert!(json[field].is_number(), "{field}");
    }
}

#[test]
fn the_systems_files_are_read_by_name() {
    let snmp = "Ip: a\nIp: 1\nUdp: InDatagrams NoPorts InErrors RcvbufErrors\nUdp: 5 6 7 42\n";
    assert_eq!(receive_drops(snmp), 42.0);
    assert_eq!(receive_drops(""), 0.0);
    let stat = "77 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
    assert_eq!(stat_cpu_us(stat), 2_000_000.0);
}

#[test]
fn figures_keep_four_digits_and_bars_have_a_side() {
    assert_eq!((sig(123_456.0), sig(0.0), sig(f64::NAN)), (123_500.0, 0.0, 0.0));
    assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (2.0, 0.0));
    assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), 2.0);
    assert!(meets(3.0, 3.0, Better::Lower) && !meets(3.1, 3.0, Better::Lower) && meets(3.1, 3.0, Better::Higher));
    let mut bars = BarList::default();
    bars.at_most("a", Some(1.0), 2.0, "ms");
    bars.at_least("b", Some(1.0), 2.0, "/s");
    bars.at_most("c", None, 2.0, "ms");
    bars.shown("d", Some(1.0), "");
    let verdicts: Vec<_> = bars.json().as_array().expect("a list").iter().map(|bar| bar["met"].as_bool()).collect();
    assert_eq!(verdicts, [Some(true), Some(false), Some(false), None]);
}

#[test]
fn the_rivals_table_names_each_cell_once() {
    let get = rivals::cell("pastry-dht", "get", 64).expect("in the table");
    assert_eq!((get.rate, get.cpu_us), (5_942.0, Some(310.0)));
    assert!(rivals::cell("OpenDHT", "lookup", 1).is_none());
}
