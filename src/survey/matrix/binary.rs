//! The binary matrix and its sidecar.
//!
//! Owns: unpacking at most as many bytes as the sidecar calls for, and checking what the sidecar claims.
//! Never does: trust a length it has not checked; judge the values (the matrix does).

use super::error::{MatrixError, excerpt};
use super::{HOSTS_MAX, NOT_MEASURED, is_gzip};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Read;

/// What a sidecar may say of the layout. Everything but `hosts` may be absent and then means what `bench/data/README.md` says.
#[derive(Deserialize)]
struct Sidecar {
    hosts: u64,
    dtype: Option<Value>,
    unit: Option<Value>,
    layout: Option<Value>,
    missing: Option<Value>,
}

/// Hosts and entries, missing ones as [`NOT_MEASURED`].
pub(super) fn parse(bytes: &[u8], sidecar: &[u8]) -> Result<(usize, Vec<u32>), MatrixError> {
    if bytes.is_empty() {
        return Err(MatrixError::Empty);
    }
    let (hosts, missing) = described(sidecar)?;
    let wanted = hosts * hosts * 4;
    let unpacked = unpacked(bytes, wanted)?;
    if unpacked.len() != wanted {
        return Err(MatrixError::Size { found: unpacked.len() as u64, wanted: wanted as u64, hosts });
    }
    let entry = |raw: &[u8]| match u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) {
        value if value == missing => NOT_MEASURED,
        value => value,
    };
    Ok((hosts, unpacked.chunks_exact(4).map(entry).collect()))
}

/// The hosts and the missing value of a sidecar whose other claims hold.
fn described(sidecar: &[u8]) -> Result<(usize, u32), MatrixError> {
    let sidecar: Sidecar = serde_json::from_slice(sidecar)
        .map_err(|error| MatrixError::Sidecar { reason: excerpt(&error.to_string(), 160) })?;
    for (field, value, accepted, wanted) in [
        ("dtype", &sidecar.dtype, &["u32 little-endian", "u32le", "<u4"][..], "\"u32 little-endian\""),
        ("unit", &sidecar.unit, &["microseconds", "us"][..], "\"microseconds\""),
        ("layout", &sidecar.layout, &["row-major"][..], "\"row-major n*n\""),
    ] {
        let Some(value) = value else { continue };
        let says = |accepted: &&str| match value.as_str() {
            Some(text) if field == "layout" => text.starts_with(*accepted),
            other => other == Some(*accepted),
        };
        if !accepted.iter().any(says) {
            return Err(MatrixError::SidecarField { field, found: excerpt(&value.to_string(), 60), wanted });
        }
    }
    let missing = match &sidecar.missing {
        None | Some(Value::Null) => NOT_MEASURED,
        Some(value) => value.as_u64().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| {
            let found = excerpt(&value.to_string(), 60);
            MatrixError::SidecarField { field: "missing", found, wanted: "a number from 0 to 4294967295" }
        })?,
    };
    match usize::try_from(sidecar.hosts) {
        Ok(hosts) if (2..=HOSTS_MAX).contains(&hosts) => Ok((hosts, missing)),
        _ => Err(MatrixError::Hosts { found: sidecar.hosts }),
    }
}

/// The bytes themselves, or what they unpack to, at most one byte more than wanted. A plain matrix is not taken for gzip:
/// its first entry would be a host that needs 0.56 s to reach itself.
fn unpacked(bytes: &[u8], wanted: usize) -> Result<Cow<'_, [u8]>, MatrixError> {
    if !is_gzip(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut unpacked = Vec::with_capacity(wanted.min(CAPACITY_FIRST));
    let mut source = MultiGzDecoder::new(bytes).take(wanted as u64 + 1);
    source
        .read_to_end(&mut unpacked)
        .map_err(|error| MatrixError::Gzip { reason: excerpt(&error.to_string(), 160) })?;
    Ok(Cow::Owned(unpacked))
}

/// Memory set aside before the first byte is unpacked: 512 hosts' worth; a larger matrix grows as it comes.
const CAPACITY_FIRST: usize = 1 << 20;
