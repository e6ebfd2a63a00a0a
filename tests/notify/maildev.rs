//! `MailDev`: an SMTP server that keeps what it is given, for people and tests to look at.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::harness::{PATIENCE, free_port};

/// A server of a test's own. Killed when it is dropped.
pub(super) struct MailDev {
    program: Child,
    folder: PathBuf,
    pub(super) smtp: u16,
    web: u16,
}

impl MailDev {
    pub(super) async fn start() -> Self {
        Self::start_at(free_port(), &[]).await
    }

    pub(super) async fn start_at(smtp: u16, arguments: &[&str]) -> Self {
        // its API is asked before anything of the shop has chosen one
        stampede::platform::tls::install();
        loop {
            match Self::try_at(smtp, arguments).await {
                Some(server) => return server,
                // the port of its view was taken by somebody else meanwhile
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// `None` when the program has ended.
    async fn try_at(smtp: u16, arguments: &[&str]) -> Option<Self> {
        let web = free_port();
        let folder = std::env::temp_dir().join(format!("maildev-{}", Uuid::new_v4().simple()));
        let program = Command::new(program())
            .args(["--smtp", &smtp.to_string(), "--ip", "127.0.0.1"])
            .args(["--web", &web.to_string(), "--web-ip", "127.0.0.1", "--silent"])
            .arg("--mail-directory")
            .arg(&folder)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("MailDev: run `deploy/local/install maildev`");
        let mut server = Self { program, folder, smtp, web };
        let began = Instant::now();
        while !server.listens().await {
            if server.program.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "MailDev does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(server)
    }

    async fn listens(&self) -> bool {
        reqwest::get(self.url("/api/email")).await.is_ok()
            && TcpStream::connect(("127.0.0.1", self.smtp)).await.is_ok()
    }

    /// The setting that leads here.
    pub(super) fn setting(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.smtp)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.web)
    }

    /// Everything that it was given, in that order.
    pub(super) async fn mails(&self) -> Vec<Value> {
        reqwest::get(self.url("/api/email")).await.unwrap().json().await.unwrap()
    }

    /// The only mail to an address.
    pub(super) async fn only(&self, to: &str) -> Value {
        let mails = self.mails().await;
        let mut found = mails.into_iter().filter(|mail| mail["to"][0]["address"] == to);
        let mail = found.next().unwrap_or_else(|| panic!("no mail to {to}"));
        assert!(found.next().is_none(), "more than one mail to {to}");
        mail
    }
}

impl Drop for MailDev {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".local/maildev/node_modules/.bin/maildev")
}
