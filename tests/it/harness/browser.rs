//! Headless Chromium, driven over WebDriver.
//!
//! <https://www.w3.org/TR/webdriver2/> is JSON over HTTP, of which the tests need a few
//! requests; the crates for it bring thirty more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Endpoint, Request};
use super::process::{Process, eventually};

/// Without a sandbox, since tests run as root, and without anything that asks the Internet.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
];

/// The name of an element in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What WebDriver calls the keys.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

/// A browser with one window. It ends with its value.
pub struct Browser {
    _driver: Process,
    _directory: TempDir,
    endpoint: Endpoint,
    session: String,
}

/// An element of the page.
pub struct Element<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    pub fn start() -> Self {
        Self::with(&json!({}))
    }

    /// One that runs no script of any page.
    pub fn without_scripts() -> Self {
        Self::with(&json!({ "profile.managed_default_content_settings.javascript": 2 }))
    }

    fn with(preferences: &Value) -> Self {
        let directory = tempfile::Builder::new().prefix("pushonce-it-browser-").tempdir().expect("a temporary directory");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", directory.path()).env("TMPDIR", directory.path());
        let driver = Process::spawn(command, "chromium-driver", &directory.path().join("driver.log"));
        let port = Regex::new(r"started successfully on port (\d+)").expect("an expression");
        let said = || port.captures(&driver.output()).map(|found| found[1].to_owned());
        let port = eventually(Duration::from_secs(30), "chromedriver has a port", said);
        let profile = format!("--user-data-dir={}", directory.path().join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([profile.as_str()]).collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "timeouts": { "implicit": 10_000 },
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments, "prefs": preferences },
        } } });
        let endpoint = Endpoint::plain(&format!("127.0.0.1:{port}"));
        let mut browser = Self { _driver: driver, _directory: directory, endpoint, session: String::new() };
        let begun = browser.ask("POST", "/session", &capabilities);
        browser.session = format!("/session/{}", begun["sessionId"].as_str().expect("a session"));
        browser
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body).unwrap_or_else(|answer| panic!("{method} {path}: {answer}"))
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "GET" || method == "DELETE" { Vec::new() } else { body.to_string().into_bytes() };
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let request = Request { method: method.to_owned(), target: format!("{}{path}", self.session), headers, body };
        let answer = self.endpoint.send(&request).map_err(|cause| cause.to_string())?;
        let mut value: Value = serde_json::from_slice(&answer.body).map_err(|cause| cause.to_string())?;
        if answer.status == 200 { Ok(value["value"].take()) } else { Err(value["value"]["message"].to_string()) }
    }

    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Path and query of where it is.
    pub fn path(&self) -> String {
        let url = self.ask("GET", "/url", &Value::Null);
        let url = url.as_str().expect("a URL").split_once("://").expect("a URL").1.to_owned();
        url.find('/').map_or_else(String::new, |at| url[at..].to_owned())
    }

    /// Waits until it is at a path, with a query that begins so.
    #[track_caller]
    pub fn arrives(&self, path: &str) {
        eventually(Duration::from_secs(20), path, || self.path().starts_with(path).then_some(()));
    }

    pub fn title(&self) -> String {
        self.ask("GET", "/title", &Value::Null).as_str().expect("a title").to_owned()
    }

    /// The text of the page, as it is seen.
    pub fn text(&self) -> String {
        self.find("body").text()
    }

    /// What a function body returns. It runs whatever the page forbids.
    pub fn script(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The same, where the last argument of the function is what takes the answer.
    pub fn script_that_answers(&self, script: &str) -> Value {
        self.ask("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    #[track_caller]
    pub fn find(&self, css: &str) -> Element<'_> {
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": css }));
        Element { browser: self, id: found[ELEMENT].as_str().expect("an element").to_owned() }
    }

    #[track_caller]
    pub fn link(&self, text: &str) -> Element<'_> {
        let found = self.ask("POST", "/element", &json!({ "using": "partial link text", "value": text }));
        Element { browser: self, id: found[ELEMENT].as_str().expect("an element").to_owned() }
    }

    /// What has the focus.
    pub fn focused(&self) -> Element<'_> {
        let found = self.ask("GET", "/element/active", &Value::Null);
        Element { browser: self, id: found[ELEMENT].as_str().expect("an element").to_owned() }
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    pub fn resize(&self, width: u32) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Keeps a picture of the whole page for looking at.
    pub fn picture(&self, name: &str) {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "format": "png" }));
        let bytes = BASE64.decode(shot["data"].as_str().expect("data").as_bytes()).expect("Base64");
        fs::create_dir_all(pictures()).expect("the directory of pictures");
        fs::write(pictures().join(format!("{name}.png")), bytes).expect("written");
    }

    /// What the browser complained of since it was asked last.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        entries.as_array().expect("a list").iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium, which would outlive its driver.
        if !self.session.is_empty() {
            let _ = self.try_ask("DELETE", "", &Value::Null);
        }
    }
}

impl Element<'_> {
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.browser.ask(method, &format!("/element/{}{path}", self.id), body)
    }

    pub fn text(&self) -> String {
        self.ask("GET", "/text", &Value::Null).as_str().expect("a text").to_owned()
    }

    pub fn property(&self, name: &str) -> Value {
        self.ask("GET", &format!("/property/{name}"), &Value::Null)
    }

    pub fn css(&self, name: &str) -> String {
        self.ask("GET", &format!("/css/{name}"), &Value::Null).as_str().expect("a value").to_owned()
    }

    pub fn click(&self) {
        self.ask("POST", "/click", &json!({}));
    }

    pub fn keys(&self, text: &str) {
        self.ask("POST", "/value", &json!({ "text": text }));
    }
}

/// Where pictures are kept.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots")
}
