//! Group commit.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use proptest::prelude::*;
use stampede::platform::batcher::{Batcher, Limits, Rejected};
use tokio::{sync::Semaphore, time::timeout};

/// A batcher that answers each number with its double, lets one batch pass for each permit, and
/// notes the batches.
struct Doubling {
    batcher: Batcher<u32, u32>,
    batches: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Arc<Semaphore>,
}

fn doubling(limits: Limits, permits: usize) -> Doubling {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Semaphore::new(permits));
    let (seen, passing) = (Arc::clone(&batches), Arc::clone(&gate));
    let doubles = Batcher::spawn(limits, move |requests: Vec<u32>| {
        let (seen, passing) = (Arc::clone(&seen), Arc::clone(&passing));
        async move {
            seen.lock().unwrap().push(requests.clone());
            passing.acquire().await.unwrap().forget();
            requests.into_iter().map(|n| n * 2).collect()
        }
    });
    Doubling { batcher: doubles, batches, gate }
}

/// Submits in a task of its own, and returns once the request waits or its batch has begun.
async fn submit(to: &Doubling, n: u32) -> tokio::task::JoinHandle<Result<u32, Rejected>> {
    let before = to.batcher.waiting() + to.batches.lock().unwrap().concat().len();
    let batcher = to.batcher.clone();
    let task = tokio::spawn(async move { batcher.submit(n).await });
    while to.batcher.waiting() + to.batches.lock().unwrap().concat().len() == before
        && !task.is_finished()
    {
        tokio::task::yield_now().await;
    }
    task
}

/// Waits until `count` batches have begun.
async fn begun(of: &Doubling, count: usize) {
    while of.batches.lock().unwrap().len() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_comes_while_a_batch_is_in_flight_is_the_next_batch() {
    let doubling = doubling(Limits { batch: 3, queue: 10 }, 0);
    let first = submit(&doubling, 1).await;
    begun(&doubling, 1).await;
    let mut later = Vec::new();
    for n in 2..=5 {
        later.push(submit(&doubling, n).await);
    }
    doubling.gate.add_permits(3);
    assert_eq!(first.await.unwrap(), Ok(2));
    for (n, task) in (2..=5).zip(later) {
        assert_eq!(task.await.unwrap(), Ok(n * 2));
    }
    assert_eq!(*doubling.batches.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![5]]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let doubling = doubling(Limits { batch: 1, queue: 2 }, 0);
    let first = submit(&doubling, 1).await;
    begun(&doubling, 1).await;
    let waiting = [submit(&doubling, 2).await, submit(&doubling, 3).await];
    assert_eq!(doubling.batcher.waiting(), 2);
    assert_eq!(doubling.batcher.submit(4).await, Err(Rejected::Full));
    doubling.gate.add_permits(3);
    assert_eq!(first.await.unwrap(), Ok(2));
    for (n, task) in (2..=3).zip(waiting) {
        assert_eq!(task.await.unwrap(), Ok(n * 2));
    }
    doubling.gate.add_permits(1);
    assert_eq!(doubling.batcher.submit(4).await, Ok(8));
}

#[tokio::test]
async fn who_stops_waiting_harms_nobody_and_is_left_out() {
    let doubling = doubling(Limits { batch: 10, queue: 10 }, 0);
    let in_flight = submit(&doubling, 1).await;
    begun(&doubling, 1).await;
    let waiting = submit(&doubling, 2).await;
    let stays = submit(&doubling, 3).await;
    in_flight.abort();
    waiting.abort();
    assert!(in_flight.await.unwrap_err().is_cancelled());
    assert!(waiting.await.unwrap_err().is_cancelled());
    doubling.gate.add_permits(2);
    assert_eq!(stays.await.unwrap(), Ok(6));
    assert_eq!(*doubling.batches.lock().unwrap(), [vec![1], vec![3]]);
}

#[tokio::test]
async fn a_batch_that_fails_tells_everyone_and_the_next_one_runs() {
    let batcher = Batcher::spawn(Limits { batch: 8, queue: 8 }, |requests: Vec<u32>| {
        assert!(!requests.contains(&13), "panics before its future is polled");
        async move {
            assert!(!requests.contains(&31), "panics while it runs");
            let too_few = usize::from(requests.contains(&99));
            requests.into_iter().skip(too_few).collect()
        }
    });
    for bad in [13, 31, 99] {
        let both = [batcher.submit(bad), batcher.submit(bad)];
        let answers = timeout(Duration::from_secs(5), join_all(both)).await.expect("no answer");
        assert_eq!(answers, [Err(Rejected::Failed); 2], "{bad}");
        assert_eq!(batcher.submit(1).await, Ok(1));
    }
}

#[tokio::test]
async fn closing_does_what_waits_and_takes_no_more() {
    let doubling = doubling(Limits { batch: 2, queue: 10 }, 0);
    let mut tasks = Vec::new();
    for n in 1..=5 {
        tasks.push(submit(&doubling, n).await);
    }
    let closing = tokio::spawn({
        let batcher = doubling.batcher.clone();
        async move { batcher.close().await }
    });
    // Refused as soon as the closing has begun, whatever is in flight.
    while doubling.batcher.waiting() < 10 && !closing.is_finished() {
        tokio::task::yield_now().await;
        if doubling.batcher.clone().submit(6).await == Err(Rejected::Stopped) {
            break;
        }
    }
    assert!(!closing.is_finished());
    doubling.gate.add_permits(100);
    for (n, task) in (1..=5).zip(tasks) {
        assert_eq!(task.await.unwrap(), Ok(n * 2));
    }
    closing.await.unwrap();
    assert_eq!(doubling.batcher.submit(7).await, Err(Rejected::Stopped));
    doubling.batcher.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    /// Whatever the limits and the crowd: everyone hears of their own request, once, no batch is
    /// too large, no two run at once, and each submitter's order is kept.
    #[test]
    fn everyone_hears_of_their_own(
        batch in 1_usize..20,
        crowd in 1_u32..200,
        rounds in 1_u32..5,
        threads in 1_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads).enable_all().build().unwrap();
        runtime.block_on(async {
            let (running, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (at_once, total) = (Arc::clone(&running), Arc::clone(&done));
            let batcher = Batcher::spawn(
                Limits { batch, queue: crowd as usize },
                move |requests: Vec<(u32, u32)>| {
                    let (at_once, total) = (Arc::clone(&at_once), Arc::clone(&total));
                    async move {
                        assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0);
                        assert!((1..=batch).contains(&requests.len()));
                        tokio::task::yield_now().await;
                        total.fetch_add(requests.len(), Ordering::SeqCst);
                        at_once.fetch_sub(1, Ordering::SeqCst);
                        requests
                    }
                },
            );
            let shoppers = (0..crowd).map(|shopper| {
                let batcher = batcher.clone();
                tokio::spawn(async move {
                    for round in 0..rounds {
                        assert_eq!(batcher.submit((shopper, round)).await, Ok((shopper, round)));
                    }
                })
            });
            for finished in join_all(shoppers).await {
                finished.unwrap();
            }
            assert_eq!(done.load(Ordering::SeqCst), (crowd * rounds) as usize);
            batcher.close().await;
        });
    }
}
