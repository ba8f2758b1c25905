//! Who is measured: the registry itself, and each proxy in front of it.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::client::{Connection, Target, request};
use super::ports::free_port;
use super::process::eventually;
use super::program::Program;
use super::usage::Tree;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// Nothing in between.
    Direct,
    Nginx,
    Haproxy,
    Envoy,
    /// Those that can be taught to look whether a tag is there before it is pushed.
    NginxRule,
    EnvoyRule,
    Pushonce,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "Envoy",
            Self::NginxRule => "nginx, HEAD first",
            Self::EnvoyRule => "Envoy, HEAD first",
            Self::Pushonce => "pushonce",
        })
    }
}

/// A certificate for all who offer TLS, and what its clients trust.
#[derive(Clone)]
pub struct Certificate {
    /// Has `server.pem`, `server.key` and both as `both.pem`.
    pub directory: PathBuf,
    pub client: Arc<ClientConfig>,
}

/// One that runs. It ends when dropped.
pub struct Peer {
    pub subject: Subject,
    pub target: Target,
    /// None where nothing is in between.
    pub tree: Option<Tree>,
    _process: Option<Program>,
}

impl Peer {
    /// Starts `subject` in front of `upstream`, with its files in a directory of its own
    /// below `place`.
    pub fn start(subject: Subject, upstream: SocketAddr, tls: Option<&Certificate>, place: &Path) -> Self {
        if subject == Subject::Direct {
            let target = Target { address: upstream, tls: None };
            return Self { subject, target, tree: None, _process: None };
        }
        let port = free_port();
        let directory = place.join(port.to_string());
        std::fs::create_dir_all(&directory).expect("a directory");
        let command = command(subject, upstream, tls, &directory, &directory.join("pushonce.db"), port);
        let package = if subject == Subject::Haproxy { "haproxy" } else { "nginx" };
        let mut process = Program::start(command, package, &directory.join("log"));
        eventually(Duration::from_secs(30), "the proxy listens", || {
            assert!(process.ended().is_none(), "{subject} ended at once:\n{}", process.output());
            process.listens_on(port).then_some(())
        });
        let target = Target { address: SocketAddr::from(([127, 0, 0, 1], port)), tls: tls.map(|tls| Arc::clone(&tls.client)) };
        eventually(Duration::from_secs(30), "the registry answers through the proxy", || answers(&target));
        let tree = Tree::of(process.pid());
        Self { subject, target, tree: Some(tree), _process: Some(process) }
    }

    pub fn cpu(&self) -> f64 {
        self.tree.as_ref().map_or(0.0, Tree::cpu)
    }

    pub fn memory(&self) -> f64 {
        self.tree.as_ref().map_or(0.0, Tree::memory)
    }
}

/// Whether somebody behind `target` speaks HTTP.
pub fn answers(target: &Target) -> Option<()> {
    Connection::open(target).ok()?.ask(&request("GET", "/v2/", &[], &[])).ok().filter(|answer| answer.status < 500).map(drop)
}

/// The command that runs a proxy, its configuration written into `directory`.
pub fn command(
    subject: Subject,
    upstream: SocketAddr,
    tls: Option<&Certificate>,
    directory: &Path,
    ledger: &Path,
    port: u16,
) -> Command {
    let certificate = tls.map(|tls| tls.directory.display().to_string());
    let certificate = certificate.as_deref();
    let mut words = HashMap::from([
        ("directory", directory.display().to_string()),
        ("upstream", upstream.to_string()),
        ("upstream_port", upstream.port().to_string()),
        ("port", port.to_string()),
        ("admin", free_port().to_string()),
        ("ledger", ledger.display().to_string()),
        ("policy", concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy.toml").to_owned()),
    ]);
    let mut with = |word: &'static str, text: String| words.insert(word, text);
    let (name, template) = match subject {
        Subject::Direct => unreachable!("nothing is started"),
        Subject::Nginx | Subject::NginxRule => {
            let has_rule = subject == Subject::NginxRule;
            with("modules", if has_rule { NGINX_MODULES.to_owned() } else { String::new() });
            with("rule", if has_rule { include_str!("conf/nginx-rule.conf").to_owned() } else { String::new() });
            with("tls", if certificate.is_some() { " ssl".to_owned() } else { String::new() });
            let files = |at: &str| format!("ssl_certificate {at}/server.pem; ssl_certificate_key {at}/server.key;");
            with("certificate", certificate.map(files).unwrap_or_default());
            ("nginx.conf", include_str!("conf/nginx.conf"))
        }
        Subject::Haproxy => {
            with("tls", certificate.map(|at| format!("ssl crt {at}/both.pem")).unwrap_or_default());
            ("haproxy.cfg", include_str!("conf/haproxy.cfg"))
        }
        Subject::Envoy | Subject::EnvoyRule => {
            let has_rule = subject == Subject::EnvoyRule;
            let rule = if has_rule { include_str!("conf/envoy-rule.yaml").trim_start().to_owned() } else { String::new() };
            with("rule", rule);
            let tls = |at: &str| include_str!("conf/envoy-tls.yaml").trim_start().replace("{directory}", at);
            with("tls", certificate.map(tls).unwrap_or_default());
            ("envoy.yaml", include_str!("conf/envoy.yaml"))
        }
        Subject::Pushonce => {
            let tls = |at: &str| format!("tls_certificate = \"{at}/server.pem\"\ntls_key = \"{at}/server.key\"");
            with("tls", certificate.map(tls).unwrap_or_default());
            ("pushonce.toml", include_str!("conf/pushonce.toml"))
        }
    };
    let file = directory.join(name);
    std::fs::write(&file, filled(template, &words)).expect("a configuration");
    let file = file.display().to_string();
    let (program, arguments): (&str, &[&str]) = match subject {
        Subject::Direct => unreachable!("nothing is started"),
        Subject::Nginx | Subject::NginxRule => ("nginx", &["-c", &file]),
        Subject::Haproxy => ("haproxy", &["-db", "-f", &file]),
        Subject::Envoy | Subject::EnvoyRule => {
            (ENVOY, &["-c", &file, "--concurrency", "2", "--log-level", "error", "--use-dynamic-base-id"])
        }
        Subject::Pushonce => (PUSHONCE, &["serve", "--config", &file]),
    };
    let mut command = Command::new(program);
    // Debian keeps daemons out of the path of an ordinary user.
    command.args(arguments).env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

const NGINX_MODULES: &str = "load_module modules/ndk_http_module.so;\nload_module modules/ngx_http_lua_module.so;";
/// Where `scripts/install-deps.sh bench` puts it.
pub const ENVOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/envoy/envoy");
/// The release, as it is shipped; `make bench` puts it there.
const PUSHONCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/released/pushonce");

/// The templates of configurations have words in braces; braces around anything else are
/// the format's own. What is filled in may hold words as well.
pub fn filled(template: &str, words: &HashMap<&str, String>) -> String {
    let mut text = template.to_owned();
    for _ in 0..2 {
        for (word, value) in words {
            text = text.replace(&format!("{{{word}}}"), value);
        }
    }
    text
}
