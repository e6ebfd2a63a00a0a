//! Group commit: many callers, one call.
//!
//! While one batch is in flight, the next one fills; an idle batcher passes a single request
//! on at once. There is no timer to tune. What always holds:
//!
//! - at most one batch of a [`Batcher`] is in flight, and batches run in the order submitted;
//! - at most `queue` requests wait; one more is [`Rejected::Full`], at once;
//! - every caller gets an answer, even when the handler panics or returns too few;
//! - a caller that stops waiting harms nobody: if its batch has not begun, its request is left
//!   out, otherwise its result is dropped;
//! - after [`Batcher::close`], or once every handle is gone, what waits is still done.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How much may come together, and how much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in one batch; at least one.
    pub batch: usize,
    /// Requests that wait for a batch; at least one.
    pub queue: usize,
}

/// What is done with a batch. Closures `Fn(Vec<Req>) -> impl Future<Output = Vec<Res>>` are.
pub trait Batch<Req, Res>: Send + Sync + 'static {
    /// Does the whole batch and answers by position: as many results as there were requests.
    fn run(&self, requests: Vec<Req>) -> impl Future<Output = Vec<Res>> + Send;

    /// What is left to do when no request followed at once. The next batch waits for it.
    fn idle(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

impl<Req, Res, F, Fut> Batch<Req, Res> for F
where
    F: Fn(Vec<Req>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Res>> + Send,
{
    fn run(&self, requests: Vec<Req>) -> impl Future<Output = Vec<Res>> + Send {
        self(requests)
    }
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejected {
    /// Too many wait already. Nothing was done.
    #[error("too many requests are waiting")]
    Full,
    /// The batcher is closed. Nothing was done.
    #[error("no more requests are taken")]
    Stopped,
    /// The batch panicked or answered for another number of requests. What it did is unknown.
    #[error("the batch failed")]
    Failed,
}

struct Waiting<Req, Res> {
    request: Req,
    reply: oneshot::Sender<Res>,
}

/// Hands requests to batches. Cheap to clone; clones share one queue.
pub struct Batcher<Req, Res> {
    queue: mpsc::Sender<Waiting<Req, Res>>,
    closing: CancellationToken,
    running: TaskTracker,
}

impl<Req, Res> Clone for Batcher<Req, Res> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            closing: self.closing.clone(),
            running: self.running.clone(),
        }
    }
}

impl<Req: Send + 'static, Res: Send + 'static> Batcher<Req, Res> {
    /// Starts the task that runs the batches, on the present tokio runtime. It outlives whoever asks
    /// first, and so it is no part of his span.
    pub fn spawn(limits: Limits, handler: impl Batch<Req, Res>) -> Self {
        let (queue, waiting) = mpsc::channel(limits.queue.max(1));
        let closing = CancellationToken::new();
        let running = TaskTracker::new();
        let work = run(waiting, closing.clone(), limits.batch.max(1), Arc::new(handler));
        running.spawn(work);
        running.close();
        Self { queue, closing, running }
    }

    /// Waits for the result of `request`, in whichever batch it comes to lie.
    pub async fn submit(&self, request: Req) -> Result<Res, Rejected> {
        if self.closing.is_cancelled() {
            return Err(Rejected::Stopped);
        }
        let (reply, result) = oneshot::channel();
        self.queue.try_send(Waiting { request, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Rejected::Full,
            mpsc::error::TrySendError::Closed(_) => Rejected::Stopped,
        })?;
        result.await.map_err(|_| Rejected::Failed)
    }

    /// How many requests wait for a batch, for metrics.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Takes no more requests, does what waits, and returns when the last batch has ended.
    pub async fn close(&self) {
        self.closing.cancel();
        self.running.wait().await;
    }
}

async fn run<Req: Send + 'static, Res: Send + 'static>(
    mut queue: mpsc::Receiver<Waiting<Req, Res>>,
    closing: CancellationToken,
    limit: usize,
    handler: Arc<impl Batch<Req, Res>>,
) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => queue.close(),
            taken = queue.recv_many(&mut batch, limit) => {
                if taken == 0 {
                    return;
                }
                run_one(std::mem::take(&mut batch), handler.as_ref()).await;
                if queue.is_empty() {
                    // a panic here harms only what was left over
                    let _ = AssertUnwindSafe(handler.idle()).catch_unwind().await;
                }
            }
        }
    }
}

/// Runs a batch; dropping the reply of a request tells its caller that the batch failed.
async fn run_one<Req: Send, Res: Send>(
    mut batch: Vec<Waiting<Req, Res>>,
    handler: &impl Batch<Req, Res>,
) {
    batch.retain(|waiting| !waiting.reply.is_closed());
    if batch.is_empty() {
        return;
    }
    let (requests, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.request, waiting.reply)).unzip();
    // The handler's own state is its own care; ours is not touched by its panic.
    let work = AssertUnwindSafe(async { handler.run(requests).await }).catch_unwind();
    match work.await {
        Ok(results) if results.len() == replies.len() => {
            for (reply, result) in replies.into_iter().zip(results) {
                // Refused only when the caller has gone.
                let _ = reply.send(result);
            }
        }
        Ok(results) => tracing::error!(
            requests = replies.len(),
            results = results.len(),
            "a batch answered for another number of requests"
        ),
        Err(_) => tracing::error!(requests = replies.len(), "a batch panicked"),
    }
}
