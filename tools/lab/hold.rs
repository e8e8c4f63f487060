//! A lab that stays up.
//!
//! Owns: an API for each node, and the wait for a signal.
//! Never does: measure.

use arras::runtime::api::{self, ApiServer};
use arras::runtime::lab::Lab;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::net::{Ipv4Addr, SocketAddr};

/// Serves every node's API on a port of its own, prints them, and waits for SIGINT or SIGTERM.
pub fn until_signalled(lab: &Lab, json: bool) -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("signals: {error}"))?;
    let server = ApiServer::start().map_err(|error| format!("the API cannot be started: {error}"))?;
    let mut served = Vec::new();
    for node in lab.nodes() {
        let listener = api::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(|error| error.to_string())?;
        let one = server.serve(listener, node.node.clone(), None).map_err(|error| format!("API: {error}"))?;
        let (id, overlay) = (node.node.id(), node.node.contact().address());
        if json {
            let overlay = overlay.map(|address| address.to_string());
            println!(
                "{}",
                json!({ "id": id.to_string(), "overlay": overlay, "api": format!("http://{}", one.address()) })
            );
        } else {
            println!("node {}  API http://{}", id.short(), one.address());
        }
        served.push(one);
    }
    eprintln!("{} nodes stay up; SIGINT or SIGTERM ends the lab", served.len());
    signals.forever().next();
    Ok(())
}
