//! A process of the real binary, beside the one in the test.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use super::PATIENCE;

/// A process of the real binary; killed when it is dropped.
pub(crate) struct Spawned {
    child: Child,
    pub(crate) url: String,
}

impl Spawned {
    pub(super) fn new(child: Child, url: String) -> Self {
        Self { child, url }
    }

    /// As a crash: nothing is finished, nothing is said.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// The exit code, within [`PATIENCE`].
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "the process does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it answers.
    pub(crate) async fn until_serving(&self) {
        let began = Instant::now();
        while reqwest::get(format!("{}/api/v1/sales", self.url)).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "{} does not answer", self.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
