//! Latencies between hosts.
//!
//! Owns: a square matrix of round-trip times, what is done about entries nobody measured, and the
//! drawing of hosts from it.
//! Never does: read a file (the host hands in bytes), or invent a latency without counting it.

mod binary;
mod csv;
mod error;
#[cfg(test)]
mod tests;

pub use error::{MatrixError, Place};

use crate::base::{Chance, Span};

/// Round-trip times between hosts numbered from 0, in whole microseconds. The two directions of a
/// pair may differ, as in the source.
///
/// The diagonal is the round trip between two nodes on one host; see [`LatencyMatrix::rtt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyMatrix {
    hosts: usize,
    /// Row-major, row = source; no entry off the diagonal is 0 or [`NOT_MEASURED`].
    rtt_us: Vec<u32>,
    filled: Filled,
}

/// What to do about an entry off the diagonal that is missing. An RTT of 0 between two different
/// hosts counts as missing: nothing is that near, and old data sets write 0 where a probe failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Refuse the matrix and name the first pair.
    Refuse,
    /// Take the reverse direction where that was measured; else the shortest detour over one other
    /// host (measured or taken from the reverse direction, never itself a detour); else refuse and name the pair.
    /// A host's missing RTT to itself is no reason to refuse.
    #[default]
    Fill,
}

/// How many entries were not measured but filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Entries taken from the reverse direction.
    pub reverse: usize,
    /// Entries set to the shortest detour over one other host.
    pub detour: usize,
}

impl LatencyMatrix {
    /// Reads the file of this name with these bytes. `*.u32le` and `*.u32le.gz` are binary and need the bytes
    /// of their sidecar (see [`sidecar_name`]); everything else is taken as a CSV of milliseconds.
    pub fn from_file(
        name: &str,
        bytes: &[u8],
        sidecar: Option<&[u8]>,
        missing: Missing,
    ) -> Result<LatencyMatrix, MatrixError> {
        match (sidecar_name(name), sidecar) {
            (None, _) => LatencyMatrix::from_csv(bytes, missing),
            (Some(_), Some(sidecar)) => LatencyMatrix::from_u32le(bytes, sidecar, missing),
            (Some(expected), None) => Err(MatrixError::NoSidecar { expected }),
        }
    }

    /// Reads `hosts`² little-endian `u32` microseconds, row-major, gzip or not, with the JSON sidecar that says
    /// how many hosts there are. A sidecar that says anything else of layout, type or unit is refused.
    pub fn from_u32le(bytes: &[u8], sidecar: &[u8], missing: Missing) -> Result<LatencyMatrix, MatrixError> {
        let (hosts, rtt_us) = binary::parse(bytes, sidecar)?;
        LatencyMatrix::from_micros(hosts, rtt_us, missing)
    }

    /// Reads a square CSV of round-trip times in milliseconds, gzip or not. An empty cell, `nan`, `-`,
    /// `4294967295` and a negative number mean "not measured". One line of names above and one column of names on the
    /// left are skipped where they cannot be mistaken for numbers.
    pub fn from_csv(bytes: &[u8], missing: Missing) -> Result<LatencyMatrix, MatrixError> {
        let (hosts, rtt_us) = csv::parse(bytes)?;
        LatencyMatrix::from_micros(hosts, rtt_us, missing)
    }

    /// The matrix with these entries, row-major, in microseconds, [`NOT_MEASURED`] where there is none.
    pub fn from_micros(hosts: usize, rtt_us: Vec<u32>, missing: Missing) -> Result<LatencyMatrix, MatrixError> {
        if !(2..=HOSTS_MAX).contains(&hosts) {
            return Err(MatrixError::Hosts { found: hosts as u64 });
        }
        if rtt_us.len() != hosts * hosts {
            return Err(MatrixError::Size {
                found: rtt_us.len() as u64 * 4,
                wanted: (hosts * hosts * 4) as u64,
                hosts,
            });
        }
        let limit = RTT_MAX.as_micros();
        for (index, &entry) in rtt_us.iter().enumerate() {
            if entry != NOT_MEASURED && u64::from(entry) > limit {
                let place = Place::Pair { from: index / hosts, to: index % hosts };
                return Err(MatrixError::Absurd { place, text: format!("{entry} us") });
            }
        }
        let mut matrix = LatencyMatrix { hosts, rtt_us, filled: Filled::default() };
        matrix.settle(missing)?;
        Ok(matrix)
    }

    /// How many hosts there are; at least 2, at most [`HOSTS_MAX`].
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// The round trip of a request from host `a` to host `b` and its reply. For two nodes on one host it is the
    /// diagonal of the source, or [`SAME_HOST_RTT`] where the source has 0 or nothing there. Panics if a host is not
    /// below [`LatencyMatrix::hosts`].
    pub fn rtt(&self, a: usize, b: usize) -> Span {
        match self.entry(a, b) {
            0 => SAME_HOST_RTT,
            micros => Span::from_micros(u64::from(micros)),
        }
    }

    /// How long a packet from `a` to `b` takes: half of [`LatencyMatrix::rtt`], since only round trips were measured.
    pub fn one_way(&self, a: usize, b: usize) -> Span {
        self.rtt(a, b) / 2
    }

    /// How many entries were filled.
    pub fn filled(&self) -> Filled {
        self.filled
    }

    /// All round trips between two different hosts, row by row.
    pub fn between_hosts(&self) -> impl Iterator<Item = Span> + '_ {
        let hosts = self.hosts;
        let apart = move |index: &usize| index / hosts != index % hosts;
        (0..hosts * hosts).filter(apart).map(|index| Span::from_micros(u64::from(self.rtt_us[index])))
    }

    /// The hosts for `n` nodes: all different while they last, then each once more in another order, and so on, so
    /// that no host carries two nodes more than another.
    pub fn draw_hosts(&self, chance: &mut Chance, n: usize) -> Vec<usize> {
        let mut drawn = Vec::with_capacity(n);
        let mut deck: Vec<usize> = (0..self.hosts).collect();
        while drawn.len() < n {
            chance.shuffle(&mut deck);
            drawn.extend(deck.iter().take(n - drawn.len()));
        }
        drawn
    }

    fn entry(&self, a: usize, b: usize) -> u32 {
        assert!(a < self.hosts && b < self.hosts, "hosts {a} and {b} of {}", self.hosts);
        self.rtt_us[a * self.hosts + b]
    }

    /// Brings the entries to what the field promises.
    fn settle(&mut self, missing: Missing) -> Result<(), MatrixError> {
        let hosts = self.hosts;
        let mut absent = Vec::new();
        for from in 0..hosts {
            for to in 0..hosts {
                let entry = &mut self.rtt_us[from * hosts + to];
                match (from == to, *entry) {
                    (true, NOT_MEASURED) => *entry = 0,
                    (false, 0 | NOT_MEASURED) => absent.push((from, to)),
                    _ => {}
                }
            }
        }
        match (missing, absent.first()) {
            (_, None) => Ok(()),
            (Missing::Refuse, Some(&(from, to))) => Err(MatrixError::Missing { from, to }),
            (Missing::Fill, Some(_)) => self.fill(&absent),
        }
    }

    fn fill(&mut self, absent: &[(usize, usize)]) -> Result<(), MatrixError> {
        let hosts = self.hosts;
        let measured = |entry: u32| entry != 0 && entry != NOT_MEASURED;
        let reverse: Vec<u32> = absent.iter().map(|&(from, to)| self.rtt_us[to * hosts + from]).collect();
        for (&(from, to), &entry) in absent.iter().zip(&reverse) {
            self.rtt_us[from * hosts + to] = if measured(entry) { entry } else { NOT_MEASURED };
            self.filled.reverse += usize::from(measured(entry));
        }
        let transposed: Vec<u32> = (0..hosts * hosts).map(|at| self.rtt_us[at % hosts * hosts + at / hosts]).collect();
        let mut detours = Vec::new();
        for (&(from, to), _) in absent.iter().zip(&reverse).filter(|(_, entry)| !measured(**entry)) {
            let (leaving, arriving) = (&self.rtt_us[from * hosts..][..hosts], &transposed[to * hosts..][..hosts]);
            detours.push((from, to, shortest_detour(leaving, arriving).ok_or(MatrixError::Unfillable { from, to })?));
        }
        self.filled.detour = detours.len();
        for (from, to, entry) in detours {
            self.rtt_us[from * hosts + to] = entry;
        }
        Ok(())
    }
}

/// The shortest sum of a leg to another host and one from there, given all legs of both kinds. A missing leg makes its
/// sum saturate; so do the legs over the two ends themselves, since one of those is the missing entry.
fn shortest_detour(leaving: &[u32], arriving: &[u32]) -> Option<u32> {
    let sums = leaving.iter().zip(arriving).map(|(first, second)| first.saturating_add(*second));
    sums.min().filter(|sum| *sum != NOT_MEASURED)
}

/// The name of the sidecar that belongs to a binary matrix: `x.json` for `x.u32le` and `x.u32le.gz`, none for any other name.
pub fn sidecar_name(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".u32le.gz").or_else(|| name.strip_suffix(".u32le"))?;
    Some(format!("{stem}.json"))
}

fn is_gzip(bytes: &[u8]) -> bool {
    // RFC 1952 §2.3.1, with deflate, the only method there is.
    bytes.starts_with(&[0x1f, 0x8b, 8])
}

/// The most hosts a matrix may have: 64 MiB of entries. The largest published set we know, the DNS servers
/// of Wong et al. (Meridian, SIGCOMM 2005), has 2,500.
pub const HOSTS_MAX: usize = 4_096;

/// No round trip is longer: King's probes gave up after 30 s; twice that. A longer one is a wrong unit.
pub const RTT_MAX: Span = Span::from_secs(60);

/// The round trip between two nodes on one host where the source does not tell. A guess, of the size of the 1 ms LAN links
/// by which Castro et al. (MSR-TR-2003-52) attach nodes to routers. Nothing is added between different hosts.
pub const SAME_HOST_RTT: Span = Span::from_millis(1);

/// The entry that says that nobody measured this pair.
pub const NOT_MEASURED: u32 = u32::MAX;
