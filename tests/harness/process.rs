//! Processes of the real binary, beside the one in the test.

use std::{
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::{PATIENCE, Shop, free_port};

impl Shop {
    /// The real binary with this shop's settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        command.args(arguments).env_clear().envs(self.variables.clone()).stdin(Stdio::null());
        command
    }

    /// Another process of this shop. `None` for a role without a listener.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Spawned {
        let port = free_port();
        let mut command = self.command(arguments);
        if std::env::var_os("TEST_LOG").is_none() {
            command.stderr(Stdio::null());
        }
        command.stdout(Stdio::null());
        command.env("STAMPEDE_WEB__LISTEN", format!("127.0.0.1:{port}"));
        command.env("STAMPEDE_OPS__LISTEN", "127.0.0.1:0");
        let child = command.spawn().expect("the binary");
        Spawned { child, url: format!("http://127.0.0.1:{port}") }
    }

    /// A command, run to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints. On a machine that is busy a server may not be reached in
    /// time (exit code 69): then it is asked again; any other failure counts.
    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let mut output = self.run(arguments);
        for _ in 0..10 {
            if output.status.code() != Some(69) {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
            output = self.run(arguments);
        }
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A process of the real binary; killed when it is dropped.
pub(crate) struct Spawned {
    child: Child,
    pub(crate) url: String,
}

impl Spawned {
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
