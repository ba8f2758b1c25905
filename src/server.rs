//! The data listener: hyper, one service, one visible list of steps.

mod drain;
mod framing;
mod listener;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::answer::Answer;
use crate::gate::Gate;
use crate::refusal::Refusal;

pub use self::drain::{Drain, Drained};
use self::wire::Verdicts;

pub use self::listener::{Listener, ListenerError};

/// The steps of every request, in order.
async fn answer(gate: Arc<Gate>, request: Request<Incoming>, peer: IpAddr, verdicts: &Verdicts) -> Answer {
    // 1. Where two servers could disagree on where the request ends or whom it is
    //    for, nothing of it is believed, and the connection ends.
    let framed = verdicts.next().map_err(|wrong| Refusal::malformed(wrong.to_owned()));
    if let Err(refusal) = framed.and_then(|()| framing::check(request.version(), request.method(), request.headers())) {
        let mut answer = gate.refuse_unread(refusal);
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return answer;
    }
    // 2. Everything else is the gate's.
    gate.serve(request, peer).await
}
