//! A browser and the program that drives it.

use std::{
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{
    Client as Driver, ClientBuilder, Locator,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::harness::{PATIENCE, free_port};

/// What sits in front of the shop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A phone, 360 pixels wide.
    Phone,
    /// A large window, in the dark.
    Desk,
    /// A large window that runs no script.
    Scriptless,
}

/// A browser of a test's own. Killed when it is dropped.
pub(crate) struct Browser {
    pub(super) driver: Driver,
    program: Child,
    pub(super) kind: Kind,
    url: String,
}

impl Browser {
    pub(crate) async fn open(url: &str, kind: Kind) -> Self {
        let port = free_port();
        let program = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            // with its browser, so that both end together
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: `make test` installs it");
        let address = format!("http://127.0.0.1:{port}");
        let began = Instant::now();
        let driver = loop {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            match builder.capabilities(capabilities(kind)).connect(&address).await {
                Ok(driver) => break driver,
                Err(error) => assert!(began.elapsed() < PATIENCE, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Self { driver, program, kind, url: url.to_owned() }
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.driver.goto(&format!("{}{path}", self.url)).await.unwrap();
    }

    /// Waits for an element and gives its text.
    pub(super) async fn text(&self, css: &str) -> String {
        let wait = self.driver.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    /// What stands in a field.
    pub(super) async fn value(&self, name: &str) -> String {
        let css = format!("[name='{name}']");
        let field = self.driver.find(Locator::Css(&css)).await.unwrap();
        field.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Waits until an element says something.
    pub(super) async fn until_says(&self, css: &str, what: &str) {
        let began = Instant::now();
        loop {
            // The page may just be changing under the question.
            let said = match self.driver.find(Locator::Css(css)).await {
                Ok(element) => element.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if said.contains(what) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{css} says `{said}`, not `{what}`");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn click(&self, css: &str) {
        let wait = self.driver.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    pub(super) async fn fill(&self, name: &str, text: &str) {
        let css = format!("[name='{name}']");
        let field = self.driver.find(Locator::Css(&css)).await.unwrap();
        if field.tag_name().await.unwrap() == "select" {
            field.select_by_value(text).await.unwrap();
        } else {
            field.clear().await.unwrap();
            field.send_keys(text).await.unwrap();
        }
    }

    /// Fills in the checkout, up to the way to pay.
    pub(super) async fn fill_in_who_buys(&self) {
        for (name, text) in [
            ("email", "ada@example.org"),
            ("shipping.name", "Ada Lovelace"),
            ("shipping.line1", "St James's Square 12"),
            ("shipping.postal_code", "SW1Y 4JH"),
            ("shipping.city", "London"),
            ("shipping.country", "GB"),
        ] {
            self.fill(name, text).await;
        }
    }

    /// Keeps a picture, and checks that nothing sticks out of the screen.
    pub(super) async fn shot(&self, name: &str) {
        let kind = match self.kind {
            Kind::Phone => "phone",
            Kind::Desk => "desk",
            Kind::Scriptless => "scriptless",
        };
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.driver.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}-{kind}.png")), picture).unwrap();
        if self.kind != Kind::Scriptless {
            let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
            let overflow = self.driver.execute(overflow, Vec::new()).await.unwrap();
            assert!(overflow.as_i64().unwrap() <= 0, "{name} is too wide by {overflow} pixels");
        }
    }

    /// Keeps a picture of it on a phone and at a desk, by day and by night, and checks each.
    pub(crate) async fn looks(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        for (device, width, height) in [("phone", 360, 780), ("desk", 1280, 900)] {
            let metrics = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
            });
            self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
            for scheme in ["light", "dark"] {
                let feature = json!({"name": "prefers-color-scheme", "value": scheme});
                self.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]})).await;
                let picture = self.driver.screenshot().await.unwrap();
                let file = format!("state-{name}-{device}-{scheme}.png");
                std::fs::write(folder.join(file), picture).unwrap();
                self.is_accessible(&format!("{name} {device} {scheme}")).await;
            }
            let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
            let overflow = self.driver.execute(overflow, Vec::new()).await.unwrap();
            assert!(overflow.as_i64().unwrap() <= 0, "{name} {device}: too wide by {overflow}");
        }
    }

    /// A command of Chromium's own.
    pub(super) async fn devtools(&self, method: &'static str, params: Value) {
        let body = json!({ "cmd": method, "params": params });
        self.driver.issue_cmd(Chromium { what: "goog/cdp/execute", body }).await.unwrap();
    }

    /// From now on every reply takes so many milliseconds longer, and comes at 30 kB a second.
    pub(super) async fn slow_down(&self, latency: u32) {
        let body = json!({"network_conditions": {
            "offline": false, "latency": latency, "throughput": 30_000
        }});
        let command = Chromium { what: "chromium/network_conditions", body };
        self.driver.issue_cmd(command).await.unwrap();
    }

    pub(crate) async fn close(self) {
        self.driver.clone().close().await.unwrap();
    }
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Chromium {
    what: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.what))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.program.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.program.wait();
    }
}

fn capabilities(kind: Kind) -> Capabilities {
    // In a container there is neither a sandbox nor much shared memory to be had.
    let mut arguments =
        vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    let mut options = json!({});
    match kind {
        Kind::Phone => {
            let metrics = json!({"width": 360, "height": 740, "pixelRatio": 2.0, "touch": true});
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        Kind::Desk => {
            let dark = "--blink-settings=preferredColorScheme=0";
            arguments.extend(["--window-size=1200,900", dark]);
        }
        Kind::Scriptless => {
            arguments.push("--window-size=1200,900");
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
    }
    options["args"] = json!(arguments);
    let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
    let Value::Object(wanted) = wanted else { unreachable!("it is an object") };
    wanted
}
