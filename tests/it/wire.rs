//! What comes over the wire: framing that two servers could read in two ways,
//! HTTP/2, TLS, and the limits that hold when somebody means harm.

mod cases;
mod client_certificates;
mod curl;
mod frames;
mod http2;
mod kept;
mod limits;
mod listener;
mod multiplexed;
mod resets;
mod secure;
mod slow;
mod smuggling;
mod tls;
mod windows;
