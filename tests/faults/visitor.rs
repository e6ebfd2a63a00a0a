//! One shopper who does a few things and remembers what he was told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};

use crate::harness::{Client, PATIENCE, client::Reply};

/// Between two tries of the same request.
const AGAIN: Duration = Duration::from_millis(40);

/// Where shoppers are sent, as a balancer would: the processes in turn.
#[derive(Clone)]
pub(super) struct Doors(Arc<(Mutex<Vec<String>>, AtomicUsize)>);

impl Doors {
    pub(super) fn of(urls: &[&str]) -> Self {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Self(Arc::new((Mutex::new(urls), AtomicUsize::new(0))))
    }

    /// From now on they are sent to these.
    pub(super) fn set(&self, urls: &[&str]) {
        *self.0.0.lock().unwrap() = urls.iter().map(|url| (*url).to_owned()).collect();
    }

    fn next(&self) -> String {
        let urls = self.0.0.lock().unwrap();
        urls[self.0.1.fetch_add(1, Relaxed) % urls.len()].clone()
    }
}

/// What the crowd was told, added up.
#[derive(Default)]
pub(super) struct Told {
    /// Lines set and orders paid.
    pub(super) promises: AtomicUsize,
    /// Orders paid.
    pub(super) orders: AtomicUsize,
    /// 503.
    pub(super) unavailable: AtomicUsize,
    /// No answer: the process was killed.
    pub(super) broken: AtomicUsize,
    /// 409 `sold_out`.
    pub(super) sold_out: AtomicUsize,
}

/// A shopper, and what he counts on.
pub(super) struct Visitor {
    pub(super) client: Client,
    /// What he was told that he holds.
    pub(super) holds: BTreeMap<&'static str, i64>,
    /// The order that he was told is paid, and what he had in the cart.
    pub(super) order: Option<(String, BTreeMap<&'static str, i64>)>,
    doors: Doors,
    told: Arc<Told>,
}

/// What is asked for until there is an answer.
#[derive(Debug)]
enum Wish<'a> {
    Line { sku: &'a str, quantity: i64 },
    Purchase { key: &'a str, method: &'a str },
    Order(&'a str),
}

impl Wish<'_> {
    async fn ask(&self, client: &Client) -> reqwest::Result<Reply> {
        match *self {
            Self::Line { sku, quantity } => client.try_put(sku, quantity).await,
            Self::Purchase { key, method } => client.try_checkout(key, method).await,
            Self::Order(id) => client.ask(Method::GET, &format!("/orders/{id}"), None, None).await,
        }
    }
}

impl Visitor {
    pub(super) fn new(client: Client, doors: Doors, told: Arc<Told>) -> Self {
        Self { client, holds: BTreeMap::new(), order: None, doors, told }
    }

    /// One of the ways to shop, by number.
    pub(super) async fn shop(&mut self, way: usize, method: &str) {
        match way % 8 {
            0 => self.set("CAP", 1).await,
            1 => {
                self.set("CAP", 3).await;
                self.set("CAP", 1).await;
            }
            2 => {
                self.set("CAP", 2).await;
                self.set("CAP", 0).await;
            }
            3 => {
                self.set("CAP", 1).await;
                self.set("RUN1-42", 1).await;
            }
            4 => {
                self.set("RUN1-42", 2).await;
                self.set("RUN1-42", 1).await;
            }
            5 => {
                self.set("CAP", 1).await;
                self.set("CAP", 0).await;
                self.set("CAP", 2).await;
            }
            _ => {
                self.set("CAP", 2).await;
                self.buy(method).await;
            }
        }
    }

    /// Sets a line, again and again until there is an answer.
    pub(super) async fn set(&mut self, sku: &'static str, quantity: i64) {
        let answer = self.insist(&Wish::Line { sku, quantity }).await;
        match (answer.status, answer.code()) {
            (StatusCode::OK | StatusCode::CREATED, _) => {
                self.told.promises.fetch_add(1, Relaxed);
                self.holds.insert(sku, quantity);
                self.holds.retain(|_, held| *held > 0);
            }
            (StatusCode::CONFLICT, "sold_out") => {
                self.told.sold_out.fetch_add(1, Relaxed);
            }
            _ => panic!("{sku} set to {quantity}: {answer:?}"),
        }
    }

    /// Buys the cart, and waits until the order is paid.
    pub(super) async fn buy(&mut self, method: &str) {
        let key = "key";
        let began = Instant::now();
        let placed = loop {
            let answer = self.insist(&Wish::Purchase { key, method }).await;
            match (answer.status, answer.code()) {
                (StatusCode::CREATED | StatusCode::ACCEPTED, _) => break answer,
                (StatusCode::CONFLICT, "checkout_in_progress") => {}
                _ => panic!("a checkout after {:?}: {answer:?}", began.elapsed()),
            }
            assert!(began.elapsed() < PATIENCE, "a checkout has no outcome");
            tokio::time::sleep(AGAIN).await;
        };
        let id = placed.body["id"].as_str().expect("an order's id").to_owned();
        let mut status = placed.body["status"].clone();
        while status != "paid" {
            assert_eq!(status, "pending", "{id}");
            assert!(began.elapsed() < PATIENCE, "{id} is never paid");
            tokio::time::sleep(AGAIN).await;
            let shown = self.insist(&Wish::Order(&id)).await;
            assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
            status = shown.body["status"].clone();
        }
        self.told.promises.fetch_add(1, Relaxed);
        self.told.orders.fetch_add(1, Relaxed);
        self.order = Some((id, std::mem::take(&mut self.holds)));
    }

    /// Repeats a request, at one process after the other, until the answer is other than 503.
    async fn insist(&self, what: &Wish<'_>) -> Reply {
        let began = Instant::now();
        loop {
            match what.ask(&self.client.at(&self.doors.next())).await {
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                    assert_eq!(answer.code(), "unavailable", "{what:?}: {answer:?}");
                    assert!(answer.headers.contains_key("retry-after"), "{what:?}: {answer:?}");
                    self.told.unavailable.fetch_add(1, Relaxed);
                }
                Ok(answer) => return answer,
                Err(error) if error.is_timeout() => panic!("{what:?} hangs: {error}"),
                Err(_) => {
                    self.told.broken.fetch_add(1, Relaxed);
                }
            }
            assert!(began.elapsed() < PATIENCE, "{what:?}: nothing but 503 for {PATIENCE:?}");
            tokio::time::sleep(AGAIN).await;
        }
    }
}
