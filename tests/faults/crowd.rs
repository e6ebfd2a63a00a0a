//! Many shoppers at once, for as long as a test wants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::visitor::{Doors, Told, Visitor};
use crate::harness::{Client, Shop, until};
use stampede::shop::accounts::Sessions;

/// Shoppers at work at one time.
const AT_ONCE: usize = 16;
/// Between two shoppers of a task: a test is to be about order, not about speed.
const PAUSE: Duration = Duration::from_millis(60);
/// Shoppers in all, whatever happens.
const MOST: usize = 10_000;
/// A request that takes longer hangs.
const HANGS: Duration = Duration::from_secs(30);

/// A crowd at work.
pub(super) struct Crowd {
    pub(super) doors: Doors,
    pub(super) told: Arc<Told>,
    sessions: Sessions,
    going: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Visitor>>,
}

impl Crowd {
    /// Lets them in by these doors.
    pub(super) fn start(shop: &Shop, doors: &[&str]) -> Self {
        let mut crowd = Self {
            doors: Doors::of(doors),
            told: Arc::default(),
            sessions: shop.app.sessions.clone(),
            going: Arc::new(AtomicBool::new(true)),
            tasks: JoinSet::new(),
        };
        let next = Arc::new(AtomicUsize::new(0));
        for _ in 0..AT_ONCE {
            let (next, going) = (Arc::clone(&next), Arc::clone(&crowd.going));
            let newcomer = crowd.newcomers();
            crowd.tasks.spawn(async move {
                let mut seen = Vec::new();
                while going.load(Relaxed) {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= MOST {
                        break;
                    }
                    let mut visitor = newcomer();
                    visitor.shop(number, "card_ok").await;
                    seen.push(visitor);
                    tokio::time::sleep(PAUSE).await;
                }
                seen
            });
        }
        crowd
    }

    /// As many more who all buy at once, and pay slowly.
    pub(super) fn buyers(&mut self, number: usize) {
        let newcomer = self.newcomers();
        for _ in 0..number {
            let mut visitor = newcomer();
            self.tasks.spawn(async move {
                visitor.shop(7, "card_slow").await;
                vec![visitor]
            });
        }
    }

    fn newcomers(&self) -> impl Fn() -> Visitor + Send + 'static {
        let http = reqwest::Client::builder().timeout(HANGS).build().unwrap();
        let (doors, told) = (self.doors.clone(), Arc::clone(&self.told));
        let sessions = self.sessions.clone();
        move || {
            let (shopper, token) = sessions.issue();
            let client = Client::known(&http, shopper.to_string(), token);
            Visitor::new(client, doors.clone(), Arc::clone(&told))
        }
    }

    /// Waits until so many more promises were made.
    pub(super) async fn until_promised(&self, more: usize) {
        self.until_more(&self.told.promises, more, "promises").await;
    }

    /// Waits until so many more tries were answered by 503.
    pub(super) async fn until_unavailable(&self, more: usize) {
        self.until_more(&self.told.unavailable, more, "answers of 503").await;
    }

    async fn until_more(&self, counter: &AtomicUsize, more: usize, what: &str) {
        let wanted = counter.load(Relaxed) + more;
        until(&format!("{more} more {what}"), async || counter.load(Relaxed) >= wanted).await;
    }

    /// Lets everybody finish, and returns all of them.
    pub(super) async fn stop(self) -> Vec<Visitor> {
        self.going.store(false, Relaxed);
        let all: Vec<Visitor> = self.tasks.join_all().await.into_iter().flatten().collect();
        let counted = |counter: &AtomicUsize| counter.load(Relaxed);
        let told = &self.told;
        tracing::info!(
            shoppers = all.len(),
            promises = counted(&told.promises),
            orders = counted(&told.orders),
            unavailable = counted(&told.unavailable),
            broken = counted(&told.broken),
            sold_out = counted(&told.sold_out),
            "the crowd has left"
        );
        all
    }
}
