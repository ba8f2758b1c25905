//! A TCP link between two programs that breaks as a seed says: what passes through
//! it is late, cut, half-closed or lost. It knows nothing of what is spoken, so it
//! stands before a registry, a database and a replica alike.
//!
//! What it counts are *turns*: bytes from the side that connected, after bytes from
//! the other. In a protocol of questions and answers a turn is a question.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::random::Seeded;
use super::upstream::reset;

/// What may befall a connection, once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mishap {
    /// Nobody is connected at all.
    Refuse,
    /// The question is so many milliseconds late, and may come after whoever asked has
    /// left.
    Delay(u64),
    /// Both sides are reset, and the question is lost.
    Cut,
    /// The question goes through and is the last: the other side sees the end.
    HalfClose,
    /// The question goes through, and the reset comes instead of the answer.
    LoseAnswer,
    /// The reset comes in the middle of the answer.
    TearAnswer,
}

/// How often something happens on a link, and how late in a connection.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of a hundred connections, those that meet a mishap.
    pub percent: usize,
    /// It happens at one of the first so many turns.
    pub turns: usize,
}

/// A running link. Its connections end when it is dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    fate: Fate,
    is_healed: AtomicBool,
    is_over: AtomicBool,
    injected: Mutex<BTreeMap<&'static str, usize>>,
}

enum Fate {
    Weather(Weather, Mutex<Seeded>),
    Always(Mishap, usize),
}

impl Mishap {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refused",
            Self::Delay(_) => "delayed",
            Self::Cut => "cut",
            Self::HalfClose => "half-closed",
            Self::LoseAnswer => "answer lost",
            Self::TearAnswer => "answer torn",
        }
    }
}

impl Link {
    /// A link to `host:port`, on which nothing happens before [`Self::unleash`].
    /// `choices` decide what happens to its connections, in the order in which they are
    /// made.
    pub fn to(target: &str, weather: Weather, choices: Seeded) -> Self {
        Self::start(target, Fate::Weather(weather, Mutex::new(choices)))
    }

    /// One on which the same happens to every connection, at the same turn.
    pub fn always(target: &str, mishap: Mishap, turn: usize) -> Self {
        Self::start(target, Fate::Always(mishap, turn))
    }

    fn start(target: &str, fate: Fate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            fate,
            is_healed: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            injected: Mutex::default(),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if server.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let plan = server.plan();
                let server = Arc::clone(&server);
                thread::spawn(move || server.carry(client, plan));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn unleash(&self) {
        self.shared.is_healed.store(false, Ordering::Relaxed);
    }

    /// Nothing happens from now on.
    pub fn heal(&self) {
        self.shared.is_healed.store(true, Ordering::Relaxed);
    }

    /// What has happened so far, and how often.
    pub fn injected(&self) -> BTreeMap<&'static str, usize> {
        self.shared.injected.lock().expect("the count").clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.heal();
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// A mishap and the turn at which it comes.
type Plan = Option<(Mishap, usize)>;

/// How far a connection is.
#[derive(Default)]
struct Progress {
    turn: AtomicUsize,
    /// Whether the other side has said something since the last turn began.
    is_answered: AtomicBool,
    /// What happens to the answer that comes next.
    loses_answer: AtomicBool,
    tears_answer: AtomicBool,
}

impl Shared {
    fn plan(&self) -> Plan {
        let (weather, choices) = match &self.fate {
            Fate::Weather(weather, choices) => (weather, choices),
            Fate::Always(mishap, turn) => return Some((*mishap, *turn)),
        };
        let mut choices = choices.lock().expect("the choices");
        if !choices.chance(weather.percent) {
            return None;
        }
        let (turn, time) = (choices.below(weather.turns), choices.below(100));
        // Few are so late that whoever asked has given up by then.
        let delay = Mishap::Delay(if time < 20 { 1_300 } else { time as u64 });
        let delayed = [delay, delay];
        let broken = [Mishap::Cut, Mishap::HalfClose, Mishap::LoseAnswer, Mishap::LoseAnswer, Mishap::TearAnswer, Mishap::Refuse];
        Some((choices.pick(&[&delayed[..], &broken[..]].concat()), turn))
    }

    fn count(&self, mishap: Mishap) {
        *self.injected.lock().expect("the count").entry(mishap.name()).or_default() += 1;
    }

    fn carry(self: Arc<Self>, client: TcpStream, plan: Plan) {
        if let Some((mishap @ Mishap::Refuse, _)) = plan
            && !self.is_healed.load(Ordering::Relaxed)
        {
            self.count(mishap);
            let _ = reset(&client);
            return;
        }
        let Ok(server) = TcpStream::connect(&self.target) else {
            let _ = reset(&client);
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let progress = Arc::new(Progress::default());
        let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) else { return };
        let (shared, both) = (Arc::clone(&self), Arc::clone(&progress));
        let answers = thread::spawn(move || shared.answers(from, to, &both));
        self.questions(client, server, plan, &progress);
        let _ = answers.join();
    }

    /// From the side that connected to the other.
    fn questions(&self, mut from: TcpStream, mut to: TcpStream, mut plan: Plan, progress: &Progress) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if progress.is_answered.swap(false, Ordering::Relaxed) {
                progress.turn.fetch_add(1, Ordering::Relaxed);
            }
            let is_due = |(_, turn): &(Mishap, usize)| *turn <= progress.turn.load(Ordering::Relaxed);
            let mishap = plan.filter(is_due).filter(|_| !self.is_healed.load(Ordering::Relaxed)).map(|(mishap, _)| mishap);
            if let Some(mishap) = mishap {
                plan = None;
                self.count(mishap);
            }
            match mishap {
                Some(Mishap::Delay(milliseconds)) => thread::sleep(Duration::from_millis(milliseconds)),
                Some(Mishap::Cut) => {
                    let _ = (reset(&from), reset(&to), from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    return;
                }
                Some(Mishap::LoseAnswer) => progress.loses_answer.store(true, Ordering::Relaxed),
                Some(Mishap::TearAnswer) => progress.tears_answer.store(true, Ordering::Relaxed),
                Some(Mishap::HalfClose | Mishap::Refuse) | None => {}
            }
            if to.write_all(&buffer[..count]).is_err() || mishap == Some(Mishap::HalfClose) {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// From the other side to the one that connected.
    fn answers(&self, mut from: TcpStream, mut to: TcpStream, progress: &Progress) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            progress.is_answered.store(true, Ordering::Relaxed);
            if progress.tears_answer.load(Ordering::Relaxed) {
                let _ = to.write_all(&buffer[..count / 2]);
            }
            if progress.tears_answer.load(Ordering::Relaxed) || progress.loses_answer.load(Ordering::Relaxed) {
                let _ = (reset(&to), reset(&from));
                break;
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    }
}
