//! What must hold, compared with what everybody was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{Method, StatusCode};

use super::client::{self, Reply};
use super::plan::{Content, TagPlan};
use super::world::World;
use crate::config::valid::WhenLedgerIsDown;
use crate::ledger::{Record, State, TagKey};
use crate::oci::Digest;

/// How somebody was told who pulled the tag.
pub const PULL: &str = "a pull";

/// What clients were told, and what did not hold.
#[derive(Debug, Default)]
pub struct Told {
    means: BTreeMap<TagKey, Digest>,
    /// Tags of which somebody was told otherwise than by a pull.
    is_certain: BTreeSet<TagKey>,
    burnt: BTreeSet<TagKey>,
    rows: Vec<BTreeMap<TagKey, Record>>,
    pub broken: Vec<String>,
}

impl World {
    /// Takes down that an invariant does not hold.
    pub fn breaks(&self, invariant: &str, how: String) {
        self.say("judge", format!("BROKEN {invariant}: {how}"));
        self.told.lock().expect("what was told").broken.push(format!("{invariant}: {how}"));
    }

    /// Somebody was told that a tag means these bytes: by a 201, a pull, or a refusal.
    pub fn was_told(&self, key: &TagKey, digest: &Digest, how: &str) {
        let before = {
            let mut told = self.told.lock().expect("what was told");
            if how != PULL {
                told.is_certain.insert(key.clone());
            }
            told.means.entry(key.clone()).or_insert_with(|| digest.clone()).clone()
        };
        if before != *digest {
            self.breaks("INV-1", format!("{key} was said to mean {} and now, by {how}, {}", before.short(), digest.short()));
        }
    }

    /// A push was answered with 201.
    pub fn was_acknowledged(&self, key: &TagKey, digest: &Digest) {
        self.was_told(key, digest, "a 201");
        let stands = |record: &Record| record.digest == *digest && record.state != State::Open;
        if !self.rows().iter().filter_map(|rows| rows.get(key)).any(stands) {
            self.breaks("INV-9", format!("{key} was acknowledged for {} and the row does not say so", digest.short()));
        }
    }

    pub fn was_told_burnt(&self, key: &TagKey) {
        self.told.lock().expect("what was told").burnt.insert(key.clone());
    }

    pub fn is_told_burnt(&self, key: &TagKey) -> bool {
        self.told.lock().expect("what was told").burnt.contains(key)
    }

    /// The registry has pointed a tag, for whoever asked and however late.
    pub fn tag_was_pointed(&self, key: &TagKey, before: Option<&Digest>, digest: &Digest) {
        let Some(tag) = self.plan.tag(key) else { return };
        // Once a tag was deleted as its rule allows, who looked before and who looked after
        // may both be on their way, and the registry shows what came last.
        if self.stored.lock().expect("the registry").deleted.contains(key.tag.as_str()) {
            return self.count("tags pointed after they were deleted");
        }
        let stands = |record: &Record| record.digest == *digest && (record.state != State::Burnt || tag.may_go);
        if !self.rows().iter().filter_map(|rows| rows.get(key)).any(stands) {
            self.breaks("INV-2", format!("{key} is pointed at {}, for which it is not claimed", digest.short()));
        }
        if let Some(before) = before.filter(|before| *before != digest) {
            self.breaks("INV-3", format!("{key} was there with {} and is overwritten with {}", before.short(), digest.short()));
        }
    }

    /// The ledger carried something out: what was sealed or burnt stays so.
    pub fn rows_changed(&self) {
        let now = self.rows();
        let before = std::mem::replace(&mut self.told.lock().expect("what was told").rows, now.clone());
        for (before, now) in before.iter().zip(&now) {
            for (key, old) in before.iter().filter(|(_, old)| old.state != State::Open) {
                let keeps = |new: &&Record| new.digest == old.digest && (new.state == State::Burnt || new.state == old.state);
                if now.get(key).filter(keeps).is_none() {
                    self.breaks("INV-8", format!("{key} was {:?} and is {:?}", old, now.get(key)));
                }
            }
        }
    }

    /// A tag of before was pulled while the ledger gave no answer, and served as the
    /// registry pointed it (`pulls.when_ledger_is_down = "serve"`): it is there unchanged.
    fn may_be_unpinned(&self, key: &TagKey, digest: &Digest) -> bool {
        let stored = self.stored.lock().expect("the registry");
        self.plan.when_ledger_is_down == WhenLedgerIsDown::Serve && stored.tags.get(key.tag.as_str()) == Some(digest)
    }

    /// Open claims that could be finished: their content is there.
    pub fn finishable(&self) -> Vec<TagKey> {
        let stored = self.stored.lock().expect("the registry");
        let rows = self.rows().swap_remove(0);
        let open = rows.into_iter().filter(|(_, row)| row.state == State::Open && stored.holds(&row.digest));
        open.map(|(key, _)| key).collect()
    }
}

/// The last look: all faults are over, and the reconcilers have walked.
pub async fn judge(world: Arc<World>) {
    world.judge_log();
    for key in world.finishable() {
        world.breaks("INV-34", format!("the claim of {key} is open still, and its content is there"));
    }
    let rows = world.rows().swap_remove(0);
    let (means, certain, burnt) = {
        let told = world.told.lock().expect("what was told");
        (told.means.clone(), told.is_certain.clone(), told.burnt.clone())
    };
    for (key, digest) in &means {
        if !rows.contains_key(key) && !certain.contains(key) && world.may_be_unpinned(key, digest) {
            world.count("tags pulled without the ledger that nobody has adopted");
        } else if rows.get(key).is_none_or(|row| row.digest != *digest || row.state == State::Open) {
            world.breaks("INV-5", format!("{key} was told to mean {} and is {:?}", digest.short(), rows.get(key)));
        }
    }
    for key in &burnt {
        if rows.get(key).is_none_or(|row| row.state != State::Burnt) {
            world.breaks("INV-8", format!("{key} was told to be deleted and is {:?}", rows.get(key)));
        }
    }
    for tag in &world.plan.tags {
        match rows.get(&tag.key) {
            Some(row) if row.state == State::Sealed => sealed(&world, tag, &row.digest).await,
            Some(row) if row.state == State::Burnt => gone(&world, tag).await,
            Some(_) => world.count("claims whose content is gone"),
            None => fresh(&world, tag).await,
        }
    }
}

async fn sealed(world: &World, tag: &TagPlan, digest: &Digest) {
    let key = &tag.key;
    let (holds, was_deleted, was_unpointed, pointer) = {
        let stored = world.stored.lock().expect("the registry");
        let (tag, deleted) = (key.tag.as_str(), &stored.deleted);
        (stored.holds(digest), deleted.contains(digest.as_str()), deleted.contains(tag), stored.tags.get(tag).cloned())
    };
    if pointer.as_ref() != Some(digest) && !was_unpointed {
        world.breaks("INV-2", format!("{key} means {} and is pointed at {pointer:?}", digest.short()));
    }
    // A delete of a manifest keeps out who binds a tag to it in its own process only, and
    // one that lands late keeps nobody out.
    let is_alone = world.plan.is_fair && world.plan.replicas.len() == 1;
    if !holds && (is_alone || !was_deleted) {
        world.breaks("INV-12", format!("the content of {key} is gone"));
    }
    if was_deleted && (!holds || (pointer.is_none() && !tag.may_go)) {
        world.count("sealed tags whose manifest was deleted by another replica, or late");
    }
    for replica in world.plan.replicas {
        let reply = client::pull(world, replica, tag, &Method::GET).await;
        if holds {
            expect(world, "INV-11", &format!("a pull of {key} at {replica}"), &reply, StatusCode::OK);
        }
    }
    let replica = world.plan.replicas[0];
    for content in world.plan.contents.iter().filter(|content| content.child.is_none()) {
        let is_same = content.digest == *digest;
        let reply = client::push(world, replica, &[tag], content).await;
        let (what, status) = if is_same { ("the same bytes", StatusCode::CREATED) } else { ("other bytes", StatusCode::CONFLICT) };
        expect(world, if is_same { "INV-5" } else { "INV-1" }, &format!("a push of {what} to {key}"), &reply, status);
        if !is_same && holds && !reply.is_ok_and(|reply| reply.text().contains(digest.short())) {
            world.breaks("INV-1", format!("the refusal of other bytes for {key} does not name {}", digest.short()));
        }
    }
}

async fn gone(world: &World, tag: &TagPlan) {
    for replica in world.plan.replicas {
        let reply = client::pull(world, replica, tag, &Method::GET).await;
        expect(world, "INV-8", &format!("a pull of {} at {replica}, which is burnt", tag.key), &reply, StatusCode::NOT_FOUND);
        for content in images(world) {
            let reply = client::push(world, replica, &[tag], content).await;
            expect(world, "INV-8", &format!("a push to {}, which is burnt", tag.key), &reply, StatusCode::CONFLICT);
        }
    }
}

/// A tag that the ledger does not know: adopted if the registry points it anywhere,
/// else pushed and pulled everywhere.
async fn fresh(world: &World, tag: &TagPlan) {
    let key = &tag.key;
    let pointer = world.stored.lock().expect("the registry").tags.get(key.tag.as_str()).cloned();
    let replica = world.plan.replicas[0];
    let content = images(world).next().expect("an image");
    let other = pointer.as_ref().filter(|pointer| **pointer != content.digest);
    let status = if other.is_some() { StatusCode::CONFLICT } else { StatusCode::CREATED };
    let reply = client::push(world, replica, &[tag], content).await;
    expect(world, "INV-3", &format!("a first push to {key}, which the registry points at {pointer:?}"), &reply, status);
    for replica in world.plan.replicas {
        let reply = client::pull(world, replica, tag, &Method::GET).await;
        expect(world, "INV-11", &format!("a pull of {key} at {replica}"), &reply, StatusCode::OK);
    }
}

fn images(world: &World) -> impl Iterator<Item = &Content> {
    world.plan.contents.iter().filter(|content| content.child.is_none())
}

fn expect(world: &World, invariant: &str, what: &str, reply: &Result<Reply, String>, status: StatusCode) {
    match reply {
        Ok(reply) if reply.status == status => {}
        Ok(reply) => world.breaks(invariant, format!("{what} was answered {} and not {status}: {}", reply.status, reply.text())),
        Err(cause) => world.breaks(invariant, format!("{what} was not answered: {cause}")),
    }
}
