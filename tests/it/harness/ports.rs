//! Free loopback ports for programs that must be told theirs.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections
/// (32768 and up), so that no connection can take a port between the look and
/// the use.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free now and that this process hands out to nobody else. Test
/// runs beside this one start elsewhere in the range; the caller still checks
/// that its own program got the port.
pub fn free_port() -> u16 {
    let start = (std::process::id().wrapping_mul(977) % u32::from(COUNT)) as u16;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(COUNT)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
