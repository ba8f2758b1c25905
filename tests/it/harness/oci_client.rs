//! oci-client, the Rust library of the oras project.

use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Mutex;

use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client as Library, Reference};
use tokio::runtime::{Builder, Runtime};

use super::clients::Client;
use super::random;
use super::run::Run;

/// The library with what it pushes.
pub struct OciClient {
    runtime: Runtime,
    monolithic: bool,
    layers: Mutex<BTreeMap<String, Vec<u8>>>,
    credentials: Mutex<Option<(String, String)>>,
}

impl OciClient {
    /// Uploads in chunks of 4 MiB, as the library does where it is not told otherwise.
    pub fn new() -> Self {
        // It is built without a choice of cryptography; an error says that somebody chose before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, monolithic: false, layers: Mutex::default(), credentials: Mutex::default() }
    }

    /// Uploads each blob with one PUT.
    pub fn monolithic() -> Self {
        Self { monolithic: true, ..Self::new() }
    }

    /// An image whose one layer has so many random bytes.
    pub fn build_of_size(&self, image: &str, size: usize) {
        self.layers.lock().expect("the layers").insert(image.to_owned(), random::bytes(size));
    }

    /// Calls the library on `reference`; an error becomes a run that failed with it.
    fn call<F>(&self, command: &str, reference: &str, action: impl FnOnce(Library, Reference, RegistryAuth) -> F) -> Run
    where
        F: Future<Output = Result<String, oci_client::errors::OciDistributionError>>,
    {
        let config =
            ClientConfig { protocol: ClientProtocol::Http, use_monolithic_push: self.monolithic, ..ClientConfig::default() };
        let credentials = self.credentials.lock().expect("the credentials").clone();
        let auth = credentials.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password));
        let name: Reference = reference.parse().expect("the name of an image");
        let library = {
            let _entered = self.runtime.enter();
            Library::new(config)
        };
        let result = self.runtime.block_on(action(library, name, auth));
        let (code, stdout, stderr) = match result {
            Ok(said) => (0, said, String::new()),
            Err(error) => (1 << 8, String::new(), error.to_string()),
        };
        Run { command: format!("oci-client {command} {reference}"), status: ExitStatus::from_raw(code), stdout, stderr }
    }

    /// Mounts a blob from the repository of `source` into that of `reference`.
    pub fn mount(&self, reference: &str, source: &str, digest: &str) -> Run {
        let source: Reference = source.parse().expect("the name of an image");
        self.call("mount", reference, async move |library, name, auth| {
            library.store_auth_if_needed(name.resolve_registry(), &auth).await;
            library.mount_blob(&name, &source, digest).await.map(|()| String::new())
        })
    }

    /// The digests of what refers to `reference`, `host:port/repository@digest`.
    pub fn referrers(&self, reference: &str) -> Vec<String> {
        let run = self.call("referrers", reference, async move |library, name, auth| {
            library.store_auth_if_needed(name.resolve_registry(), &auth).await;
            let index = library.pull_referrers(&name, None).await?;
            Ok(index.manifests.into_iter().map(|entry| format!("{}\n", entry.digest)).collect())
        });
        run.expect_success().stdout.lines().map(str::to_owned).collect()
    }
}

impl Client for OciClient {
    fn name(&self) -> &'static str {
        "oci-client"
    }

    /// As Cargo.lock has it.
    fn version(&self) -> String {
        let lock = include_str!("../../../Cargo.lock");
        let (_, entry) = lock.split_once("name = \"oci-client\"\nversion = \"").expect("an entry of the lock file");
        entry.split('"').next().expect("a version").to_owned()
    }

    fn build(&self, image: &str, content: &str) {
        self.layers.lock().expect("the layers").insert(image.to_owned(), content.as_bytes().to_vec());
    }

    fn push(&self, image: &str, reference: &str) -> Run {
        let layer = self.layers.lock().expect("the layers").get(image).expect("an image that was built").clone();
        self.call("push", reference, async move |library, name, auth| {
            let (layer, config) = (ImageLayer::oci_v1(layer, None), Config::oci_v1("{}", None));
            library.push(&name, &[layer], config, &auth, None).await.map(|pushed| pushed.manifest_url)
        })
    }

    fn pull(&self, reference: &str) -> Run {
        self.call("pull", reference, async move |library, name, auth| {
            library.pull_manifest(&name, &auth).await.map(|(_, digest)| digest)
        })
    }

    fn pulled_digest(&self, reference: &str) -> String {
        self.pull(reference).expect_success().stdout
    }

    fn login(&self, _address: &str, user: &str, password: &str) {
        *self.credentials.lock().expect("the credentials") = Some((user.to_owned(), password.to_owned()));
    }
}
