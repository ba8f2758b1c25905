//! The pages of the second listener: what they say, and what they keep out.

mod accessible;
mod browsing;
mod hostile;
mod reading;

use crate::harness::exchange::Exchange;
use crate::harness::pushonce::POLICY;
use crate::harness::{Image, Pushonce, Registry};
use crate::operator::ledger_commands::operate;

/// Two releases, a refusal, a tag that moved behind the proxy's back, and what an audit made
/// of that.
struct Stage {
    _registry: Registry,
    proxy: Pushonce,
    first: Image,
    second: Image,
}

impl Stage {
    fn set() -> Self {
        let registry = Registry::start();
        let pull = "[[pull]]\nname = \"production\"\nhosts = [\"*.prod.example.com\"]\naction = \"refuse\"\n";
        let proxy = Pushonce::in_front_of(&registry.url()).policy(&format!("{POLICY}\n{pull}")).start();
        let (first, second) = (Image::random(), Image::random());
        let ci = proxy.signed_in("ci", "secret");
        for tag in ["git-0a1b2c3", "1.4.0", "1.4", "latest"] {
            ci.push(&format!("driftwood/web:{tag}"), &first).expect_created();
        }
        for tag in ["git-9f8e7d6", "1.4.1", "1.4", "latest"] {
            ci.push(&format!("driftwood/web:{tag}"), &second).expect_created();
        }
        proxy.signed_in("ann", "secret").push("driftwood/web:1.5.0-rc.1", &Image::random()).expect_created();
        proxy.signed_in("ann", "secret").push("driftwood/web:1.4.0", &second).expect_refused();
        ci.push("driftwood/api:2.0.0", &Image::random()).expect_created();
        registry.put_tag_behind_the_back("driftwood/api:2.0.0", &Image::random());
        assert_eq!(operate(&proxy, &["audit", "--repair"]).status.code(), Some(0));
        let grant = ["exception", "grant", "driftwood/web:1.4.0", "--allow", "push", "--reason", "a key leaked"];
        operate(&proxy, &grant).expect_success();
        operate(&proxy, &["yank", "driftwood/api:2.0.0", "--reason", "it loses data"]).expect_success();
        // The refusal is written behind its answer.
        let refusals = || {
            let log = operate(&proxy, &["log", "--outcome", "refused", "--output", "json"]).expect_success().stdout;
            (!log.is_empty()).then_some(())
        };
        crate::harness::process::eventually(std::time::Duration::from_secs(20), "the refusal is in the log", refusals);
        Self { _registry: registry, proxy, first, second }
    }

    fn page(&self, path: &str) -> Exchange {
        self.proxy.admin().request("GET", path).send()
    }

    /// Every page by a name, with its path and its status.
    fn pages(&self) -> Vec<(&'static str, String, u16)> {
        vec![
            ("overview", "/".to_owned(), 200),
            ("repository", "/repository?repository=driftwood/web".to_owned(), 200),
            ("tag", "/tag?repository=driftwood/web&tag=1.4".to_owned(), 200),
            ("tag-at-a-time", "/tag?repository=driftwood/web&tag=1.4&at=now".to_owned(), 200),
            ("tag-at-a-mistake", "/tag?repository=driftwood/web&tag=1.4&at=soon".to_owned(), 400),
            ("tag-yanked", "/tag?repository=driftwood/api&tag=2.0.0".to_owned(), 200),
            ("digest", format!("/digest?digest={}", self.first.digest()), 200),
            ("diff", "/diff?repository=driftwood/web&from=1h&to=now".to_owned(), 200),
            ("log", "/log".to_owned(), 200),
            ("log-of-refusals", "/log?repository=driftwood/web&tag=&outcome=refused&since=1d&until=".to_owned(), 200),
            ("policy", "/policy".to_owned(), 200),
            ("policy-explained", "/policy?reference=driftwood/web:1.4.0".to_owned(), 200),
            ("audit", "/audit".to_owned(), 200),
            ("nothing", "/nothing".to_owned(), 404),
        ]
    }
}
