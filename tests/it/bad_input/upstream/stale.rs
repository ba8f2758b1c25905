//! A registry whose connections serve one request each and die at the second, as
//! those do that a registry closes while the next request is on its way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Passes bytes on to a registry, and cuts a connection as soon as it is used for a
/// second request.
pub struct Stale {
    address: SocketAddr,
    died: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Stale {
    pub fn to(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let stale = Self { address, died: Arc::default(), is_over: Arc::default() };
        let (registry, died, is_over) = (registry.to_owned(), Arc::clone(&stale.died), Arc::clone(&stale.is_over));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (registry, died) = (registry.clone(), Arc::clone(&died));
                // A broken connection is what this is for.
                thread::spawn(move || pass_one(&client, &registry, &died).unwrap_or_default());
            }
        });
        stale
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were cut.
    pub fn died(&self) -> usize {
        self.died.load(Ordering::Relaxed)
    }
}

impl Drop for Stale {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass_one(client: &TcpStream, registry: &str, died: &AtomicUsize) -> io::Result<()> {
    let server = TcpStream::connect(registry)?;
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 64 * 1024];
            while let Ok(count @ 1..) = { &server }.read(&mut buffer) {
                answered.store(true, Ordering::SeqCst);
                if { client }.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = client.shutdown(Shutdown::Both);
        });
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = { client }.read(&mut buffer) {
            if answered.load(Ordering::SeqCst) {
                died.fetch_add(1, Ordering::Relaxed);
                break;
            }
            if { &server }.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
    Ok(())
}
