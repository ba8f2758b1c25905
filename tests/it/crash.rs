//! The proxy is killed in the middle of a push and started again on the same
//! ledger and registry. What it acknowledged stays true; what it did not can be
//! pushed again.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Image, Pushonce, Registry, random};

const ROUNDS: usize = 50;

/// Delays and choices that can be had again: `TEST_SEED=… cargo test`.
struct Dice(u64);

impl Dice {
    fn seeded() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a switch for people, not a setting of the program")]
        let given = std::env::var("TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(random::number);
        println!("TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// At least 0, less than 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One round: who pushed what, and what is known of it.
struct Round {
    name: String,
    image: Image,
    rival: Image,
    /// Digests that were acknowledged, ever.
    acknowledged: Vec<String>,
}

impl Round {
    /// With `blobs_there` the push is the manifest alone, so that the kill falls
    /// between the steps of the gate more often.
    fn new(number: usize, registry: &Registry, blobs_there: bool) -> Self {
        let (mut image, rival) = (Image::random(), Image::random());
        if blobs_there {
            upload(registry, &mut image);
        }
        Self { name: format!("driftwood/web:1.4.{number}"), image, rival, acknowledged: Vec::new() }
    }

    /// Pushes and kills the proxy after `delay`. Returns whether it was acknowledged.
    fn push_and_kill(&mut self, proxy: &mut Pushonce, delay: Duration) -> bool {
        let api = (**proxy).clone();
        let status = thread::scope(|scope| {
            let push = scope.spawn(|| api.try_push(&self.name, &self.image).ok().map(|answer| answer.status));
            // Not a wait for something: the moment of the kill is what is random.
            thread::sleep(delay);
            proxy.kill9();
            push.join().expect("the client's thread")
        });
        assert!(matches!(status, None | Some(201)), "the push of {} was answered {status:?}", self.name);
        self.note(status == Some(201), true);
        status.is_some()
    }

    fn note(&mut self, is_acknowledged: bool, ours: bool) {
        if is_acknowledged {
            self.acknowledged.push(if ours { &self.image } else { &self.rival }.digest());
        }
    }

    /// Pushes both images again, ours first or the rival's first.
    fn push_again(&mut self, proxy: &Pushonce, ours_first: bool) {
        for ours in [ours_first, !ours_first] {
            let answer = proxy.push(&self.name, if ours { &self.image } else { &self.rival });
            match answer.status {
                201 => self.note(true, ours),
                _ => drop(answer.expect_refused()),
            }
        }
        if ours_first {
            assert_eq!(self.acknowledged.last(), Some(&self.image.digest()), "the same bytes were refused for {}", self.name);
        }
    }

    /// Everything that was ever acknowledged is the one thing that the tag means.
    #[track_caller]
    fn expect_kept(&self, proxy: &Pushonce, registry: &Registry) {
        let Self { name, acknowledged, .. } = self;
        let Some(first) = acknowledged.first() else { panic!("{name} was never acknowledged") };
        assert!(acknowledged.iter().all(|digest| digest == first), "{name} was acknowledged for {acknowledged:?}");
        assert_eq!(registry.tag_digest(name).as_ref(), Some(first), "what the registry has as {name}");
        assert_eq!(proxy.tag_digest(name).as_ref(), Some(first), "what is pulled as {name}");
    }
}

/// Leaves nothing of an image to be pushed but the manifest.
fn upload(registry: &Registry, image: &mut Image) {
    for blob in image.blobs.drain(..) {
        registry.upload_blob("driftwood/web", &blob).expect_created();
    }
}

/// How long a push takes when nobody disturbs it.
fn usual_time(proxy: &Pushonce, registry: &Registry, blobs_there: bool) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|number| {
            let mut image = Image::random();
            if blobs_there {
                upload(registry, &mut image);
            }
            let started = Instant::now();
            proxy.push(&format!("driftwood/web:0.{}.{number}", u8::from(blobs_there)), &image).expect_created();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

#[test]
fn a_killed_proxy_loses_and_doubles_no_acknowledged_tag() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let mut dice = Dice::seeded();
    let longest = [false, true].map(|blobs_there| usual_time(&proxy, &registry, blobs_there).mul_f64(1.6));

    let mut rounds = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..ROUNDS {
        let blobs_there = number % 2 == 1;
        let mut round = Round::new(number, &registry, blobs_there);
        let delay = longest[usize::from(blobs_there)].mul_f64(dice.roll());
        let was_acknowledged = round.push_and_kill(&mut proxy, delay);
        let is_pointed = registry.tag_digest(&round.name).is_some();
        proxy.restart();
        let is_open = proxy.metric("pushonce_open_claims", &[]) > 0.0;
        *seen.entry(format!("acknowledged: {was_acknowledged}, pointed: {is_pointed}, open: {is_open}")).or_default() += 1;
        round.push_again(&proxy, dice.roll() < 0.5);
        round.expect_kept(&proxy, &registry);
        rounds.push(round);
    }
    println!("how the kills left the tags: {seen:#?}");
    for round in &rounds {
        round.expect_kept(&proxy, &registry);
    }
    assert_eq!(registry.tags("driftwood/web").len(), ROUNDS + 10, "tags were lost or invented");
    assert_eq!(proxy.metric("pushonce_open_claims", &[]), 0.0, "claims were left open");
    assert!(seen.keys().any(|state| state.starts_with("acknowledged: false")), "no kill came in time: {seen:?}");
}
