//! What comes over the wire: framing that two servers could read in two ways,
//! HTTP/2, TLS, and the limits that hold when somebody means harm.

mod cases;
mod frames;
mod http2;
mod limits;
mod slow;
mod smuggling;
mod tls;
