//! A proxy in front of a real registry that breaks chosen requests and lets
//! everything else through untouched, so that a test can make exactly "the PUT of
//! the tag" fail, get lost or wait.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::gate::Gate;
use super::upstream::reset;
use super::wire::{Recorded, read_body, read_head};

/// How a client begins that tries TLS first (RFC 8446, section 5.1): it is told
/// that this is plain HTTP, so that it comes back with that.
const TLS_HANDSHAKE: u8 = 22;

/// What happens to a request that a rule matches.
#[derive(Clone)]
pub enum Fault {
    /// The connection is reset; the registry never hears of it.
    Cut,
    /// The registry carries it out, and the connection is reset instead of the answer.
    LoseAnswer,
    /// The registry hears of it that much later, even if the client has left by then.
    Delay(Duration),
    /// It is answered with this status; the registry never hears of it.
    Status(u16),
    /// It waits at the gate until the test opens it, then goes on as if nothing
    /// had happened, even if the client has left by then.
    Hold(Gate),
}

struct Rule {
    matches: Box<dyn Fn(&Recorded) -> bool + Send>,
    fault: Fault,
    /// How many more requests it takes.
    left: usize,
}

/// A running fault proxy.
pub struct Faults {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    registry: String,
    /// Whether the registry hears of every tag in lower case.
    folds_tags: bool,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<Recorded>>,
    is_over: AtomicBool,
}

impl Faults {
    /// A proxy in front of the registry at `host:port`, which lets everything
    /// through at first.
    pub fn in_front_of(registry: &str) -> Self {
        Self::start(registry, false)
    }

    /// The same, which makes the registry one that folds the case of tags: as Gitea does,
    /// it takes a tag in the path for its lower case, whatever the method.
    pub fn folding_in_front_of(registry: &str) -> Self {
        Self::start(registry, true)
    }

    fn start(registry: &str, folds_tags: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Shared {
            registry: registry.to_owned(),
            folds_tags,
            rules: Mutex::default(),
            requests: Mutex::default(),
            is_over: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if server.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let server = Arc::clone(&server);
                // A broken connection is what this is for.
                thread::spawn(move || server.serve(&connection).unwrap_or_default());
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every request that `matches` meets `fault` from now on; the first rule wins.
    pub fn when(&self, matches: impl Fn(&Recorded) -> bool + Send + 'static, fault: Fault) {
        self.add(matches, fault, usize::MAX);
    }

    /// The same for the next such request only.
    pub fn once(&self, matches: impl Fn(&Recorded) -> bool + Send + 'static, fault: Fault) {
        self.add(matches, fault, 1);
    }

    fn add(&self, matches: impl Fn(&Recorded) -> bool + Send + 'static, fault: Fault, left: usize) {
        self.shared.rules.lock().expect("the rules").push(Rule { matches: Box::new(matches), fault, left });
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.shared.rules.lock().expect("the rules").clear();
    }

    /// The heads of all requests so far as they came, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().expect("the record").clone()
    }

    /// How many requests with this method and end of path there were.
    pub fn count(&self, method: &str, end_of_path: &str) -> usize {
        self.requests().iter().filter(|request| request.is(method, end_of_path)).count()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for rule in self.shared.rules.lock().expect("the rules").drain(..) {
            if let Fault::Hold(gate) = rule.fault {
                gate.open();
            }
        }
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request for each connection: `Connection: close` both ways.
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        if reader.fill_buf()?.first() == Some(&TLS_HANDSHAKE) {
            return { client }.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let Some(mut request) = read_head(&mut reader)? else { return Ok(()) };
        self.requests.lock().expect("the record").push(request.clone());
        if self.folds_tags {
            request.head = with_its_tag_folded(&request.head);
        }
        let Some(fault) = self.fault_for(&request) else { return self.pass(client, reader, &request) };
        // Read whole, so that it can go on after the client has left.
        request.body = read_body(&mut reader, &request)?;
        match fault {
            Fault::Cut => return reset(client),
            Fault::LoseAnswer => {
                self.ask(&request)?;
                return reset(client);
            }
            Fault::Status(status) => {
                let answer = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return { client }.write_all(answer.as_bytes());
            }
            Fault::Delay(time) => thread::sleep(time),
            Fault::Hold(gate) => gate.pass(),
        }
        let answer = self.ask(&request)?;
        { client }.write_all(&answer)
    }

    fn fault_for(&self, request: &Recorded) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("the rules");
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && (rule.matches)(request))?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    /// Copies both ways as bytes come, whatever their number.
    fn pass(&self, client: &TcpStream, mut reader: BufReader<TcpStream>, request: &Recorded) -> io::Result<()> {
        let mut registry = TcpStream::connect(&self.registry)?;
        registry.write_all(closing_head(request, None).as_bytes())?;
        let mut up = registry.try_clone()?;
        let upload = thread::spawn(move || io::copy(&mut reader, &mut up));
        let copied = io::copy(&mut registry, &mut { client });
        // The client may keep its side open; this ends the upload as well.
        let _ = (client.shutdown(Shutdown::Both), registry.shutdown(Shutdown::Both), upload.join());
        copied.map(drop)
    }

    /// Sends a request that was read whole and returns the whole answer.
    fn ask(&self, request: &Recorded) -> io::Result<Vec<u8>> {
        let mut registry = TcpStream::connect(&self.registry)?;
        registry.write_all(closing_head(request, Some(request.body.len())).as_bytes())?;
        registry.write_all(&request.body)?;
        let mut answer = Vec::new();
        registry.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The head with what stands behind `/manifests/` in lower case.
fn with_its_tag_folded(head: &str) -> String {
    let (line, rest) = head.split_once("\r\n").expect("a request line");
    let Some((before, behind)) = line.split_once("/manifests/") else { return head.to_owned() };
    let end = behind.find(['?', ' ']).unwrap_or(behind.len());
    format!("{before}/manifests/{}{}\r\n{rest}", behind[..end].to_ascii_lowercase(), &behind[end..])
}

/// The head with `Connection: close`, and with a length where the body is known.
fn closing_head(request: &Recorded, length: Option<usize>) -> String {
    let mut replaced = vec!["", "connection"];
    if length.is_some() {
        replaced.extend(["content-length", "transfer-encoding"]);
    }
    let kept = request.head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !replaced.iter().any(|other| name.eq_ignore_ascii_case(other))
    });
    let mut head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    if let Some(length) = length {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head + "Connection: close\r\n\r\n"
}
