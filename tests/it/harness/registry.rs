//! A real registry (Debian's docker-registry) of a test's own.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::api::Api;
use super::certificates::write_certificates;
use super::exchange::Exchange;
use super::http::Endpoint;
use super::image::Image;
use super::process::{Process, eventually};
use super::token_server::TokenServer;

/// The account that a registry with Basic authentication knows.
pub const USER: &str = "developer";
pub const PASSWORD: &str = "developer-password";
/// Made with `htpasswd -nbB -C 4 developer developer-password`.
const HTPASSWD: &str = "developer:$2y$04$jr6URiY30Hteh/f/0gHDBek/ZC270rUcBn1L/a4kqj/ESLZ0dj4CK\n";

/// A running registry. It is killed and its files are removed when dropped.
pub struct Registry {
    api: Api,
    process: Option<Process>,
    /// Runs for as long as the registry that sends clients there.
    _tokens: Option<Arc<TokenServer>>,
    /// Last, so that the files go after the program that holds them open.
    directory: TempDir,
}

/// What is special about a registry.
#[derive(Default)]
pub struct RegistryBuilder {
    basic_auth: bool,
    tls: bool,
    client_ca: Option<PathBuf>,
    prefix: String,
    says_what_it_understood: bool,
    token_auth: Option<Arc<TokenServer>>,
    users: String,
}

impl Registry {
    /// A registry on a free loopback port that allows deletes and asks for no password.
    pub fn start() -> Self {
        Self::with().start()
    }

    pub fn with() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// The registry as [`USER`] sees it.
    pub fn as_user(&self) -> Api {
        self.api.signed_in(USER, PASSWORD)
    }

    /// The PEM file of the authority that signed the certificate; only with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What the registry logs; JSON with [`RegistryBuilder::says_what_it_understood`].
    pub fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Moves or makes a tag the way somebody with direct access would.
    #[track_caller]
    pub fn put_tag_behind_the_back(&self, name: &str, image: &Image) -> Exchange {
        let pushed = self.push(name, image);
        pushed.expect_created();
        pushed
    }

    /// Forgets a tag, and keeps its manifest, as no API of it can.
    pub fn lose_tag(&self, repository: &str, tag: &str) {
        let tags = format!("data/docker/registry/v2/repositories/{repository}/_manifests/tags");
        std::fs::remove_dir_all(self.directory.path().join(tags).join(tag)).expect("the tag's directory");
    }

    /// Ends the registry; what it stores stays.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the registry again on the same port, with what it stored.
    pub fn start_again(&mut self) {
        self.stop();
        let address = self.api.address().to_owned();
        let config = self.directory.path().join("config.yml");
        let text = std::fs::read_to_string(&config).expect("the registry's configuration");
        std::fs::write(&config, text.replace("127.0.0.1:0", &address)).expect("the registry's configuration");
        let (process, _) = launch(self.directory.path());
        self.process = Some(process);
    }
}

/// `registry.push(…)` and `proxy.push(…)` read alike: both are an [`Api`].
impl Deref for Registry {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl RegistryBuilder {
    /// Asks for [`USER`] and [`PASSWORD`].
    pub fn basic_auth(self) -> Self {
        Self { basic_auth: true, ..self }
    }

    /// Asks for one more user, whose line is as `htpasswd -nbB` prints it.
    pub fn htpasswd(mut self, line: &str) -> Self {
        self.users.push_str(line);
        self.users.push('\n');
        self.basic_auth()
    }

    /// Asks for tokens of `tokens`.
    pub fn token_auth(self, tokens: &Arc<TokenServer>) -> Self {
        Self { token_auth: Some(Arc::clone(tokens)), ..self }
    }

    pub fn tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Speaks TLS, and lets in who has a certificate of this authority, a PEM file.
    pub fn client_ca(self, file: &Path) -> Self {
        Self { client_ca: Some(file.to_owned()), ..self.tls() }
    }

    /// Serves below a path such as `/registry`.
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Logs for every request the repository, reference, digest or upload that it
    /// was about to the registry, as JSON.
    pub fn says_what_it_understood(self) -> Self {
        Self { says_what_it_understood: true, ..self }
    }

    pub fn start(self) -> Registry {
        let directory = tempfile::Builder::new().prefix("pushonce-it-registry-").tempdir().expect("a temporary directory");
        let path = directory.path();
        let authority = self.tls.then(|| write_certificates(path));
        std::fs::write(path.join("htpasswd"), format!("{HTPASSWD}{}", self.users)).expect("the registry's accounts");
        std::fs::write(path.join("config.yml"), self.config(path)).expect("the registry's configuration");
        let (process, address) = launch(path);
        let api = Api::new(Endpoint { address, authority }, &self.prefix);
        Registry { api, process: Some(process), _tokens: self.token_auth, directory }
    }

    fn config(&self, directory: &Path) -> String {
        let tokens = self.token_auth.as_ref().map(|tokens| tokens.registry_config(directory)).unwrap_or_default();
        let directory = directory.display();
        let clients = self.client_ca.as_ref().map(|file| format!(", clientcas: [{}]", file.display())).unwrap_or_default();
        let tls = format!("  tls: {{certificate: {directory}/server.pem, key: {directory}/server.key{clients}}}\n");
        let auth = format!("auth:\n  htpasswd: {{realm: test, path: {directory}/htpasswd}}\n");
        let prefix = format!("  prefix: {}/\n", self.prefix);
        let optional = |wanted: bool, text: String| if wanted { text } else { String::new() };
        let log = if self.says_what_it_understood { "level: debug, formatter: json" } else { "level: info" };
        // Port 0: the registry takes a free port and its log says which, so that
        // no two registries ever race for one.
        format!(
            "version: 0.1\nlog: {{{log}, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {directory}/data}}\n  delete: {{enabled: true}}\n\
             {}http:\n  addr: 127.0.0.1:0\n  secret: one-secret-so-that-uploads-survive-a-restart\n{}{}{tokens}",
            optional(self.basic_auth, auth),
            optional(!self.prefix.is_empty(), prefix),
            optional(self.tls, tls),
        )
    }
}

/// Starts the program and waits for the address it listens on.
fn launch(directory: &Path) -> (Process, String) {
    let log = directory.join("log");
    // A log from before a restart names an address too.
    std::fs::write(&log, "").expect("the registry's log");
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(directory.join("config.yml"));
    let mut process = Process::spawn(command, "docker-registry", &log);
    let address = eventually(Duration::from_secs(20), "docker-registry listens", || {
        assert!(process.ended().is_none(), "docker-registry ended at once:\n{}", process.output());
        let output = process.output();
        let (_, rest) = output.split_once("listening on ")?;
        Some(rest[..rest.find(['"', ','])?].to_owned())
    });
    (process, address)
}
