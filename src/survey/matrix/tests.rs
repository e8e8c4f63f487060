//! What the matrix promises.
//!
//! Owns: hand-made matrices, the measured ones the project carries, and arbitrary bytes.
//! Never does: read anything outside the project.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

const PLANETLAB: &[u8] = include_bytes!("../../../bench/data/planetlab490_median.u32le.gz");
const PLANETLAB_SIDECAR: &[u8] = include_bytes!("../../../bench/data/planetlab490_median.json");
const AWS: &[u8] = include_bytes!("../../../bench/data/aws33_p50.u32le.gz");
const AWS_SIDECAR: &[u8] = include_bytes!("../../../bench/data/aws33_p50.json");

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn little_endian(entries: &[u32]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

fn sidecar(hosts: usize) -> Vec<u8> {
    format!("{{\"hosts\": {hosts}}}").into_bytes()
}

fn csv(text: &str) -> Result<LatencyMatrix, MatrixError> {
    LatencyMatrix::from_csv(text.as_bytes(), Missing::Fill)
}

fn refusal(text: &str) -> String {
    csv(text).unwrap_err().to_string()
}

fn micros(matrix: &LatencyMatrix, a: usize, b: usize) -> u64 {
    matrix.rtt(a, b).as_micros()
}

#[test]
fn the_planetlab_matrix_reads_as_its_sidecar_says() {
    let file = "planetlab490_median.u32le.gz";
    let matrix = LatencyMatrix::from_file(file, PLANETLAB, Some(PLANETLAB_SIDECAR), Missing::Refuse).unwrap();
    let mut rtts: Vec<Span> = matrix.between_hosts().collect();
    rtts.sort_unstable();
    assert_eq!((matrix.hosts(), rtts.len(), matrix.filled()), (490, 490 * 489, Filled::default()));
    assert_eq!((rtts[0].as_micros(), rtts[rtts.len() - 1].as_micros()), (87, 675_175));
    assert!(rtts[rtts.len() / 2].as_micros().abs_diff(133_905) < 10);
    assert_eq!(matrix.rtt(3, 3), SAME_HOST_RTT);
    assert_eq!(matrix.rtt(3, 77), matrix.rtt(77, 3));
}

#[test]
fn the_aws_matrix_keeps_its_directions_and_its_diagonal() {
    let matrix = LatencyMatrix::from_file("aws33_p50.u32le.gz", AWS, Some(AWS_SIDECAR), Missing::Refuse).unwrap();
    assert_eq!(matrix.hosts(), 33);
    assert!((0..33).any(|host| matrix.rtt(0, host) != matrix.rtt(host, 0)));
    assert!((0..33).all(|host| matrix.rtt(host, host) != SAME_HOST_RTT));
    assert_eq!(matrix.between_hosts().max(), Some(Span::from_micros(420_724)));
    assert_eq!(matrix.one_way(0, 1), matrix.rtt(0, 1) / 2);
}

#[test]
fn a_plain_csv_a_packed_one_and_one_with_names_read_the_same() {
    let plain = csv("0,10.5,20\n10.5,0,7\n21,7,0\n").unwrap();
    assert_eq!((micros(&plain, 0, 1), micros(&plain, 2, 0), micros(&plain, 0, 2)), (10_500, 21_000, 20_000));
    for same in [
        "\u{feff}0, 10.5 ,20\r\n10.5,0,7\r\n\r\n21,7,0\r\n\r\n",
        "a,b,c\n0,10.5,20\n10.5,0,7\n21,7,0",
        ",a,b,c\na,0,10.5,20\nb,10.5,0,7\nc,21,7,0",
        "\"a\",\"b\",\"c\"\na,0,10.5,20\nb,10.5,0,7\nc,21,7,0",
        "a,-,10.5,20\nb,10.5,nan,7\nc,21,7,-1",
        "0,\"10.5\",2e1\n10.5,4294967295,7\n21,7,",
    ] {
        assert_eq!(csv(same).as_ref(), Ok(&plain), "{same}");
        assert_eq!(LatencyMatrix::from_csv(&packed(same.as_bytes()), Missing::Refuse).as_ref(), Ok(&plain), "{same}");
    }
}

#[test]
fn a_missing_entry_is_its_reverse_or_else_the_shortest_detour() {
    let matrix = csv("0,5,9,1\n,0,2,nan\n9,-,0,4\n1,-1,4,0\n").unwrap();
    assert_eq!((micros(&matrix, 1, 0), micros(&matrix, 2, 1)), (5_000, 2_000));
    // Between 1 and 3: over 0 it is 5 + 1, over 2 it is 2 + 4.
    assert_eq!((micros(&matrix, 1, 3), micros(&matrix, 3, 1)), (6_000, 6_000));
    assert_eq!(matrix.filled(), Filled { reverse: 2, detour: 2 });
    let zero = csv("0,0,3\n0,0,4\n3,4,0").unwrap();
    assert_eq!((micros(&zero, 0, 1), zero.filled().detour), (7_000, 2), "0 between two hosts counts as missing");
}

#[test]
fn a_missing_entry_is_refused_by_name_where_it_must_not_or_cannot_be_filled() {
    let text = "0,5,9\n,0,2\n9,2,0";
    let strict = LatencyMatrix::from_csv(text.as_bytes(), Missing::Refuse);
    assert_eq!(strict, Err(MatrixError::Missing { from: 1, to: 0 }));
    assert_eq!(csv("0,5,\n5,0,\n,,0"), Err(MatrixError::Unfillable { from: 0, to: 2 }));
    assert_eq!(csv("0,\n,0"), Err(MatrixError::Unfillable { from: 0, to: 1 }));
}

#[test]
fn bad_text_gets_one_line_that_names_the_place() {
    for (text, line) in [
        ("", "the latency file is empty"),
        ("\n \n", "the latency file is empty"),
        ("a,b\n", "the latency file is empty"),
        ("0,1\n1,0\n3,4\n5,6\n", "not square: 4 lines of 2 comma-separated values"),
        ("0,1,2\n1,0,3\n", "not square: 2 lines of 3 comma-separated values"),
        ("0,1,2\n1,0\n2,3,0\n", "not square: line 2 has 2 values, the first has 3"),
        ("0,abc\n1,0\n", "line 1, column 2: `abc` is not a number of milliseconds"),
        ("0,1\n1,0ms\n", "line 2, column 2: `0ms` is not a number of milliseconds"),
        ("x,20,30\n20,0,10\n30,10,0\n", "line 1, column 1: `x` is not a number of milliseconds"),
        ("0;1\n1;0\n", "line 1, column 1: `0;1` is not a number of milliseconds"),
        ("0\n", "a matrix of 1 host has no paths; at least 2 are needed"),
        ("0,inf\n1,0\n", "line 1, column 2: `inf` is no round trip (at most 60.0s; a CSV is in milliseconds)"),
        ("0,1\n1e5,0\n", "line 2, column 1: `1e5` is no round trip (at most 60.0s; a CSV is in milliseconds)"),
        (
            ",0,1,2\n0,0,5,6\n1,5,0,7\n2,6,7,0\n",
            "line 1 and column 1 may be labels (0, 1, 2 ...) or latencies: remove them or use names",
        ),
    ] {
        assert_eq!(refusal(text), line, "{text:?}");
    }
    assert_eq!(LatencyMatrix::from_csv(b"0,\xff\n1,0", Missing::Fill), Err(MatrixError::NotText { line: 1 }));
    assert_eq!(refusal(&"7".repeat(200_000)), "line 1: too long for a CSV of at most 4096 hosts");
}

#[test]
fn bad_binaries_get_one_line_that_says_what_is_wrong() {
    let read = |bytes: &[u8], sidecar: &str| {
        LatencyMatrix::from_u32le(bytes, sidecar.as_bytes(), Missing::Fill).unwrap_err().to_string()
    };
    let good = little_endian(&[0, 5, 6, 0]);
    assert_eq!(read(&[], "{}"), "the latency file is empty");
    assert_eq!(read(&good, "{\"hosts\": 3}"), "3 hosts need 36 bytes (3 x 3 x 4), but there are fewer (16 read)");
    assert_eq!(
        read(&packed(&[9; 99]), "{\"hosts\": 2}"),
        "2 hosts need 16 bytes (2 x 2 x 4), but there are more than that (17 read)"
    );
    assert_eq!(read(&good, "{\"hosts\": 1}"), "a matrix of 1 host has no paths; at least 2 are needed");
    assert_eq!(read(&good, "{\"hosts\": 9999999}"), "9999999 hosts; a matrix has 2 to 4096");
    assert!(read(&good, "{\"unit\": 3}").starts_with("the sidecar is not usable JSON: missing field `hosts`"));
    assert!(read(&good, "").starts_with("the sidecar is not usable JSON"));
    assert_eq!(
        read(&good, "{\"hosts\": 2, \"unit\": \"ms\"}"),
        "the sidecar says `unit`: \"ms\"; only \"microseconds\" can be read"
    );
    assert!(read(&good, "{\"hosts\": 2, \"dtype\": \"f64\"}").contains("dtype"));
    assert!(read(&good, "{\"hosts\": 2, \"layout\": \"column-major\"}").contains("layout"));
    assert!(read(&good, "{\"hosts\": 2, \"missing\": -1}").contains("missing"));
    assert!(read(&packed(&good)[..20], "{\"hosts\": 2}").starts_with("the gzip data is damaged"));
    assert_eq!(
        read(&little_endian(&[0, 70_000_000, 6, 0]), "{\"hosts\": 2}"),
        "from host 0 to host 1: `70000000 us` is no round trip (at most 60.0s; a CSV is in milliseconds)"
    );
    let alone = LatencyMatrix::from_file("x/y.u32le.gz", &good, None, Missing::Fill).unwrap_err();
    assert_eq!(alone.to_string(), "a .u32le matrix needs its sidecar `x/y.json` beside it");
    let other_mark = LatencyMatrix::from_u32le(&good, b"{\"hosts\": 2, \"missing\": 6}", Missing::Refuse);
    assert_eq!(other_mark, Err(MatrixError::Missing { from: 1, to: 0 }));
}

#[test]
fn hosts_are_all_different_while_they_last_and_evenly_used_after() {
    let matrix = LatencyMatrix::from_micros(5, vec![9; 25], Missing::Refuse).unwrap();
    let drawn = matrix.draw_hosts(&mut Chance::from_seed(4), 12);
    let uses = |host: usize| drawn.iter().filter(|&&drawn| drawn == host).count();
    assert_eq!(drawn.len(), 12);
    assert!((0..5).all(|host| (2..=3).contains(&uses(host))), "{drawn:?}");
    let mut first = drawn[..5].to_vec();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2, 3, 4]);
    assert_eq!(drawn, matrix.draw_hosts(&mut Chance::from_seed(4), 12));
    assert_eq!(matrix.draw_hosts(&mut Chance::from_seed(4), 0), [0; 0]);
}

fn square() -> impl Strategy<Value = (usize, Vec<u32>)> {
    (2usize..8).prop_flat_map(|hosts| (Just(hosts), prop::collection::vec(1u32..60_000_000, hosts * hosts)))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((hosts, entries) in square()) {
        let matrix = LatencyMatrix::from_micros(hosts, entries.clone(), Missing::Refuse).unwrap();
        let plain = little_endian(&entries);
        for bytes in [plain.clone(), packed(&plain)] {
            // A host that needs 0.56 s to reach itself reads as gzip; see `unpacked`.
            prop_assume!(entries[0] & 0xff_ffff != 0x08_8b1f);
            prop_assert_eq!(&LatencyMatrix::from_u32le(&bytes, &sidecar(hosts), Missing::Refuse).unwrap(), &matrix);
        }
        let row = |row: &[u32]| row.iter().map(|us| format!("{}", f64::from(*us) / 1e3)).collect::<Vec<_>>().join(",");
        let text = entries.chunks(hosts).map(row).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(&csv(&text).unwrap(), &matrix);
    }

    #[test]
    fn a_matrix_with_holes_is_filled_or_refused_but_never_left_with_holes(
        (hosts, mut entries) in square(), holes in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        for hole in holes {
            entries[hole.index(hosts * hosts)] = NOT_MEASURED;
        }
        if let Ok(matrix) = LatencyMatrix::from_micros(hosts, entries, Missing::Fill) {
            prop_assert!(matrix.between_hosts().all(|rtt| rtt > Span::ZERO && rtt <= RTT_MAX * 2));
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), side in prop::collection::vec(any::<u8>(), 0..60)) {
        for bytes in [bytes.clone(), packed(&bytes), [&[0x1f, 0x8b, 8][..], &bytes].concat()] {
            let _ = LatencyMatrix::from_csv(&bytes, Missing::Fill);
            let _ = LatencyMatrix::from_u32le(&bytes, &side, Missing::Fill);
            let _ = LatencyMatrix::from_u32le(&bytes, &sidecar(bytes.len() % 12), Missing::Fill);
        }
    }

    #[test]
    fn no_text_of_numbers_and_marks_makes_a_parser_panic(text in "([0-9.e,\"a-]{0,6}[,\n]){0,40}") {
        if let Err(error) = csv(&text) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
