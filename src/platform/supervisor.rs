//! The tasks that a process lives for. One that ends before its time takes the process along:
//! a worker that died in silence would be missed only when carts are.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use thiserror::Error;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::Instrument;

use crate::platform::shutdown::Shutdown;

/// Why the process ends other than in good order.
#[derive(Debug, Error)]
pub enum SupervisorError {
    /// A task ended although nobody had asked the process to leave.
    #[error("`{task}` ended: {reason}")]
    Ended {
        /// Its name.
        task: &'static str,
        /// Its error, its panic, or that it just returned.
        reason: String,
    },
    /// Tasks were still busy when the time for the drain was over.
    #[error("still busy after {after:?}: {tasks}")]
    Busy {
        /// Their names, separated by commas.
        tasks: String,
        /// The time they had.
        after: Duration,
    },
}

/// Runs named tasks until the process is asked to leave, or one of them ends.
pub struct Supervisor {
    tasks: JoinSet<(&'static str, Result<(), String>)>,
    names: Vec<&'static str>,
    shutdown: Shutdown,
    drain: Duration,
}

impl Supervisor {
    /// Tasks watch `shutdown` themselves, and have `drain` to end after it was requested.
    #[must_use]
    pub fn new(shutdown: Shutdown, drain: Duration) -> Self {
        Self { tasks: JoinSet::new(), names: Vec::new(), shutdown, drain }
    }

    /// Starts a task. It should end only when asked to, or with an error that it cannot mend.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.names.push(name);
        let named = async move {
            let outcome = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(format!("{error:#}")),
                Err(_) => Err("it panicked".to_owned()),
            };
            (name, outcome)
        };
        self.tasks.spawn(named.instrument(tracing::info_span!("task", name)));
    }

    /// Waits for the end. An early end of one task asks the others to leave too; they drain, and
    /// the first reason is returned.
    pub async fn run(mut self) -> Result<(), SupervisorError> {
        let early = tokio::select! {
            biased;
            () = self.shutdown.requested() => None,
            ended = self.tasks.join_next() => ended,
        };
        let mut result = early.map_or(Ok(()), |ended| self.note(ended, true));
        self.shutdown.request();
        let deadline = Instant::now() + self.drain;
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => result = result.and(self.note(ended, false)),
                    None => return result,
                },
                () = sleep_until(deadline) => {
                    let busy = SupervisorError::Busy {
                        tasks: self.names.join(", "),
                        after: self.drain,
                    };
                    return result.and(Err(busy));
                }
            }
        }
    }

    /// Strikes a task off the list. Early, any end is an error; later, only an error is.
    fn note(
        &mut self,
        ended: Result<(&'static str, Result<(), String>), tokio::task::JoinError>,
        early: bool,
    ) -> Result<(), SupervisorError> {
        let (task, outcome) = ended.unwrap_or_else(|e| ("a task", Err(e.to_string())));
        if let Some(at) = self.names.iter().position(|name| *name == task) {
            self.names.swap_remove(at);
        }
        match outcome {
            Ok(()) if !early => {
                tracing::debug!(task, "ended in good order");
                Ok(())
            }
            Ok(()) => Err(SupervisorError::Ended { task, reason: "it returned".to_owned() }),
            Err(reason) => Err(SupervisorError::Ended { task, reason }),
        }
        .inspect_err(|error| tracing::error!(%error, "a task ended before its time"))
    }
}
