//! One run: clients and kills, then a time in which all is well, and then the questions.

mod judge;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::sha256;
use crate::harness::{Postgres, Registry};

use super::cluster::Cluster;
use super::contents::Contents;
use super::history::{Asked, History};
use super::plan::{Action, Kill, Plan, TAGS, Victim};
use super::spec::{Content, Op, Ret};
use super::tally::Tally;

/// What runs share, one after the other.
pub struct World {
    pub registry: Registry,
    /// The ledger of all replicas; without, each has a file of its own.
    pub database: Option<Postgres>,
}

struct Run<'a> {
    plan: &'a Plan,
    world: &'a World,
    contents: Contents,
    cluster: Cluster,
    history: History,
    started: AtomicUsize,
    tally: Mutex<Tally>,
}

/// Makes a run. An error is all that is needed to understand it, and to make it again.
pub fn run(plan: &Plan, world: &World) -> Result<Tally, String> {
    let World { registry, database } = world;
    let contents = Contents::new(registry);
    let history = History::default();
    if let Some((tag, content)) = plan.there_before {
        let asked = history.ask(tag, Op::Push(content));
        registry.push(&contents.tag(tag), &contents.images[content]).expect_created();
        history.answer(asked, Some(Ret::Accepted), "pushed to the registry itself");
    }
    let cluster = Cluster::start(plan, registry, database.as_ref());
    let run = Run { plan, world, contents, cluster, history, started: AtomicUsize::new(0), tally: Mutex::default() };
    let panicked = thread::scope(|scope| {
        let run = &run;
        scope.spawn(|| run.cluster.keep_alive(plan.point));
        let clients: Vec<_> = (0..plan.clients.len()).map(|client| scope.spawn(move || run.be_client(client))).collect();
        let panicked = clients.into_iter().map(|client| client.join().is_err()).filter(|panicked| *panicked).count();
        run.cluster.end();
        panicked
    });
    run.cluster.heal();
    let mut failures = run.judge();
    if panicked > 0 {
        failures.push(format!("{panicked} clients could not make sense of an answer"));
    }
    let mut tally = run.tally.into_inner().expect("the tally");
    tally.runs = 1;
    tally.faults = run.cluster.faults();
    tally.kills = run.cluster.kills();
    if failures.is_empty() {
        return Ok(tally);
    }
    let history = (0..TAGS.len()).flat_map(|tag| run.history.of_tag(tag)).map(|entry| entry.to_string()).collect::<Vec<_>>();
    let told = format!("{plan:#?}\n\n{}\n\n{}\n", history.join("\n"), run.cluster.logs().join("\n----\n"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replicas-{}-{}-{}.txt", plan.replicas, plan.point, plan.seed));
    std::fs::write(&file, told).expect("a file for the history");
    Err(format!("{}\n  {}\n  its history: {}", plan.replay(), failures.join("\n  "), file.display()))
}

impl Run<'_> {
    fn be_client(&self, client: usize) {
        for (replica, action) in &self.plan.clients[client] {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            for Kill { what, .. } in self.plan.kills.iter().filter(|kill| kill.after == number) {
                match what {
                    Victim::Replica(replica) => self.cluster.kill(*replica),
                    Victim::Database => self.kill_database(),
                }
            }
            self.cluster.wait_for(*replica);
            let (api, who) = (self.cluster.replica(*replica), format!("client {client} at replica {replica}"));
            match *action {
                Action::Push { tag, content } => drop(self.push(api, tag, content, &who)),
                Action::Pull { tag } => drop(self.pull(api, tag, &who)),
                Action::Delete { content } => self.delete(api, content, &who),
            }
        }
    }

    fn kill_database(&self) {
        if let Some(database) = &self.world.database {
            database.kill9();
            self.cluster.count_kill("kill -9 of PostgreSQL");
            database.start_again();
        }
    }

    fn push(&self, api: &Api, tag: usize, content: Content, who: &str) -> (Option<Ret>, String) {
        let asked = self.history.ask(tag, Op::Push(content));
        // The same bytes under another tag bring the content back, if they get that far.
        for other in (0..TAGS.len()).filter(|other| *other != tag && TAGS[*other].contents.contains(&content)) {
            let put_back = self.history.ask(other, Op::PutBack(content));
            self.history.answer(put_back, None, &format!("{who}, with a push of {}", TAGS[tag].name));
        }
        let answer = api.try_push(&self.contents.tag(tag), &self.contents.images[content]);
        let (ret, said) = match &answer {
            Ok(answer) if answer.status == 201 => (Some(Ret::Accepted), String::new()),
            Ok(answer) if answer.status == 409 => {
                let message = answer.expect_refused();
                (Some(self.refusal(&message)), message)
            }
            other => (None, words(other)),
        };
        self.answered(asked, "push", ret, &format!("{who}: {said}"));
        (ret, said)
    }

    fn refusal(&self, message: &str) -> Ret {
        if message.contains("it was deleted on") {
            return Ret::RefusedBurnt;
        }
        match message.split_once("it means ").and_then(|(_, rest)| rest.split_once('…')) {
            Some((digest, _)) => Ret::Refused(self.contents.named(digest)),
            None => Ret::RefusedUnnamed,
        }
    }

    fn pull(&self, api: &Api, tag: usize, who: &str) -> Option<Ret> {
        let asked = self.history.ask(tag, Op::Pull);
        let answer = api.try_pull(&self.contents.tag(tag));
        let ret = match &answer {
            Ok(answer) if answer.status == 200 => Some(Ret::Pulled(self.contents.named(&sha256(&answer.body)))),
            Ok(answer) if answer.status == 404 => Some(Ret::NotFound),
            _ => None,
        };
        self.answered(asked, "pull", ret, &format!("{who}: {}", words(&answer)));
        ret
    }

    /// The delete of a manifest is one of every tag that may mean it.
    fn delete(&self, api: &Api, content: Content, who: &str) {
        let concerned = (0..TAGS.len()).filter(|tag| TAGS[*tag].contents.contains(&content));
        let asked: Vec<_> = concerned.map(|tag| (tag, self.history.ask(tag, Op::TakeAway(content)))).collect();
        let loose = asked.iter().filter(|(tag, _)| TAGS[*tag].may_be_deleted);
        let burns: Vec<_> = loose.clone().map(|(tag, _)| self.history.ask(*tag, Op::Burn(content))).collect();
        // Whoever comes to need it while it goes gets it back.
        let put_back: Vec<_> = loose.map(|(tag, _)| self.history.ask(*tag, Op::PutBack(content))).collect();
        let answer = api.try_delete(&self.contents.manifest(content));
        let who = format!("{who}: {}", words(&answer));
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        self.count("delete", if status == 0 { "no answer".to_owned() } else { status.to_string() });
        for (tag, take_away) in asked {
            match status {
                202 if TAGS[tag].may_be_deleted => self.history.answer(take_away, Some(Ret::Done), &who),
                // What may not be deleted is there again when the answer comes.
                202 | 405 => self.history.answer_and(take_away, Ret::Done, &who, Op::PutBack(content)),
                _ => self.history.answer(take_away, None, &who),
            }
        }
        for burn in burns {
            self.history.answer(burn, (status == 202).then_some(Ret::Done), &who);
        }
        put_back.into_iter().for_each(|put_back| self.history.answer(put_back, None, &who));
    }

    fn answered(&self, asked: Asked, what: &str, ret: Option<Ret>, words: &str) {
        let kind = match ret {
            None => "unknown".to_owned(),
            Some(ret) => format!("{ret:?}").split('(').next().unwrap_or_default().to_owned(),
        };
        self.count(what, kind);
        self.history.answer(asked, ret, words);
    }

    fn count(&self, what: &str, kind: String) {
        self.tally.lock().expect("the tally").operations += 1;
        *self.tally.lock().expect("the tally").answers.entry(format!("{what} {kind}")).or_default() += 1;
    }
}

fn words(answer: &std::io::Result<Exchange>) -> String {
    match answer {
        Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)])),
        Err(error) => format!("no answer: {error}"),
    }
}
