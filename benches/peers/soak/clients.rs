//! The clients of the long run, each of which does one thing again and again. Nobody reads
//! what somebody else writes: docker-registry 2.8 answers 500 to that now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Connection, Target, put_blob, request};
use crate::world::{digest_of, push, put_blobs};

const REPOSITORY: &str = "soak/web";
/// Large enough to pass in many parts.
const BLOB: usize = 4 << 20;
/// A connection is dropped after so many requests.
const REQUESTS: u64 = 50;

/// How long pulls by tag took since the last look.
#[derive(Default)]
pub struct Times(Mutex<Vec<Duration>>);

impl Times {
    fn add(&self, time: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(time);
    }

    pub fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Clone, Copy)]
pub enum Client {
    /// First pushes of immutable tags.
    Release,
    Move,
    /// Other bytes for a tag that is taken.
    PushAgain,
    /// Pulls of immutable tags, whose times are taken.
    Pull,
    /// Pulls of a moving tag.
    PullMoving,
    Upload,
    Download,
    /// Hangs up in the middle of a blob.
    HangUp,
}

impl Client {
    pub const ALL: [Self; 8] =
        [Self::Release, Self::Move, Self::PushAgain, Self::Pull, Self::PullMoving, Self::Upload, Self::Download, Self::HangUp];

    /// The pause between two requests: the load is to be steady, and not all that the
    /// machine can do.
    fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Release => 500,
            Self::Move | Self::Upload | Self::Download | Self::HangUp => 100,
            Self::PushAgain => 50,
            Self::Pull | Self::PullMoving => 10,
        })
    }

    pub fn run(self, target: &Target, stop: &AtomicBool, times: &Times) {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut connection = Connection::open(target).expect("a connection");
            for _ in 0..REQUESTS {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                number += 1;
                let begun = Instant::now();
                let is_kept = self.ask(&mut connection, number);
                if let Self::Pull = self {
                    times.add(begun.elapsed());
                }
                thread::sleep(self.pause());
                if !is_kept {
                    break;
                }
            }
        }
    }

    /// Asks once; false where the connection is of no use after.
    fn ask(self, connection: &mut Connection, number: u64) -> bool {
        let pull = |tag: &str| request("GET", &format!("/v2/{REPOSITORY}/manifests/{tag}"), &[], &[]);
        let (asked, status) = match self {
            Self::Release => (push(REPOSITORY, &format!("2.0.{number}"), &number.to_string()), 201),
            Self::Move => (push(REPOSITORY, "latest", &(number % 10).to_string()), 201),
            Self::PushAgain => (push(REPOSITORY, "1.4.0", "other bytes"), 409),
            Self::Pull => (pull("1.4.0"), 200),
            Self::PullMoving => (pull("1.4"), 200),
            Self::Download => (request("GET", &blob_path(), &[], &[]), 200),
            Self::Upload => {
                let other = vec![8; BLOB];
                put_blob(connection, REPOSITORY, digest_of(&other).as_str(), &other);
                return true;
            }
            Self::HangUp => {
                connection.write(&request("GET", &blob_path(), &[], &[])).expect("a request");
                connection.head().expect("an answer").expect(200);
                return false;
            }
        };
        connection.ask(&asked).expect("an answer").expect(status);
        true
    }
}

fn blob() -> Vec<u8> {
    vec![7; BLOB]
}

fn blob_path() -> String {
    format!("/v2/{REPOSITORY}/blobs/{}", digest_of(&blob()))
}

/// What the clients find there.
pub fn prepare(target: &Target) {
    let mut connection = Connection::open(target).expect("a connection");
    put_blobs(&mut connection, REPOSITORY);
    put_blob(&mut connection, REPOSITORY, digest_of(&blob()).as_str(), &blob());
    for (tag, note) in [("1.4.0", "a release"), ("1.4", "a release")] {
        connection.ask(&push(REPOSITORY, tag, note)).expect("an answer").expect(201);
    }
}
