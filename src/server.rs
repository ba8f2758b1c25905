//! The data listener: hyper, one service, one visible list of steps.

mod connection;
pub mod descriptors;
mod drain;
mod framing;
mod listener;
mod preface;
mod stalled;
mod streams;
mod tls;
pub(crate) mod wire;
mod writing;

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::answer::Answer;
use crate::gate::{Gate, Peer};
use crate::refusal::Refusal;

pub use self::drain::{Drain, Drained};
pub use self::listener::{Listener, ListenerError};
pub use self::tls::{Offered, Ready, TlsError};

/// The steps of every request, in order. `wire` is what its raw bytes say of its
/// framing.
async fn answer(gate: Arc<Gate>, request: Request<Incoming>, peer: Peer, wire: wire::Verdict) -> Answer {
    // 1. Where two servers could disagree on where the request ends or whom it is
    //    for, nothing of it is believed, and the connection ends.
    let framed = wire.map_err(|wrong| Refusal::malformed(wrong.to_owned())).and_then(|()| framing::check(request));
    match framed {
        // 2. Everything else is the gate's.
        Ok(request) => gate.serve(request, peer).await,
        Err(refusal) => {
            let mut answer = gate.refuse_unread(refusal);
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer
        }
    }
}
