//! Replies that are the same for everyone: made and packed once a second at most, then handed out
//! as ready bytes with an entity tag, so that neither the crowd nor a cache in front costs a
//! rendering.

mod encoding;
mod range;
mod ready;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, rt};
use moka::future::Cache;

pub use self::ready::{IMMUTABLE, PUBLIC, Ready, hash};
use super::error::Problem;

/// How old a reply may be before the next one is made, while this one is still handed out.
const FRESH: Duration = Duration::from_secs(1);
/// How old it may get meanwhile: with the half second that a sale's data may be old, what was
/// imported shows within two. Then the crowd waits for a new one.
const OLDEST: Duration = Duration::from_millis(1_400);
/// Bytes of replies kept: a thousand products of a few kilobytes each, several times over.
const LARGEST_CACHE: u64 = 64 * 1024 * 1024;
/// The replies of the last second, by path. Cheap to clone.
#[derive(Clone)]
pub struct Public(Cache<String, Arc<Kept>>);

struct Kept {
    ready: Ready,
    made: Instant,
    /// Whether the next one is being made.
    renewing: AtomicBool,
}

impl Kept {
    /// Packs the reply, on a thread where that holds nobody up, unless it is the same as `before`.
    async fn new(ready: Ready, before: Option<&Ready>) -> Arc<Self> {
        let ready = match before {
            Some(before) if before.is_like(&ready) => before.clone(),
            _ => {
                let plain = ready.clone();
                rt::task::spawn_blocking(|| ready.packed()).await.unwrap_or(plain)
            }
        };
        Arc::new(Self { ready, made: Instant::now(), renewing: AtomicBool::new(false) })
    }
}

impl Public {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        let weight = |path: &String, kept: &Arc<Kept>| {
            u32::try_from(path.len() + kept.ready.weight()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().time_to_live(OLDEST).weigher(weight);
        Self(cache.max_capacity(LARGEST_CACHE).build())
    }

    /// The reply for this path, made by `make` when there is none. However many ask at once, one
    /// makes it; and while they go on asking, the next one is made beside them, so that nobody
    /// waits for it. What went wrong is kept for nobody.
    pub async fn serve<F>(
        &self,
        request: &HttpRequest,
        make: impl FnOnce() -> F,
    ) -> Result<HttpResponse, Problem>
    where
        F: Future<Output = Result<Ready, Problem>> + 'static,
    {
        // As decoded: one page has one path, however it is spelt.
        self.serve_as(request.match_info().as_str(), request, make).await
    }

    /// The same for a reply that depends on more than its path, all of which is in `key`.
    pub async fn serve_as<F>(
        &self,
        key: &str,
        request: &HttpRequest,
        make: impl FnOnce() -> F,
    ) -> Result<HttpResponse, Problem>
    where
        F: Future<Output = Result<Ready, Problem>> + 'static,
    {
        if let Some(kept) = self.0.get(key).await {
            let reply = kept.ready.reply(request);
            if kept.made.elapsed() >= FRESH && !kept.renewing.swap(true, Ordering::Relaxed) {
                rt::spawn(self.clone().renew(key.to_owned(), kept, make()));
            }
            return Ok(reply);
        }
        // Making is a large future, which the many who find a reply need no room for.
        let make = async {
            let ready = make().await.inspect_err(Problem::log)?;
            Ok(Kept::new(ready, None).await)
        };
        let kept = Box::pin(self.0.try_get_with_by_ref(key, make)).await;
        kept.map(|kept| kept.ready.reply(request)).map_err(|problem: Arc<Problem>| problem.again())
    }

    async fn renew(
        self,
        key: String,
        kept: Arc<Kept>,
        make: impl Future<Output = Result<Ready, Problem>>,
    ) {
        match make.await {
            Ok(ready) => self.0.insert(key, Kept::new(ready, Some(&kept.ready)).await).await,
            Err(problem) => {
                problem.log();
                kept.renewing.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl Default for Public {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        rc::Rc,
        sync::atomic::{AtomicU32, Ordering},
    };

    use actix_web::{body::to_bytes, test::TestRequest};

    use super::*;

    fn page(made: &Rc<AtomicU32>) -> impl Future<Output = Result<Ready, Problem>> + 'static {
        let made = Rc::clone(made);
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(Ready::page(format!("{}", made.fetch_add(1, Ordering::Relaxed))))
        }
    }

    async fn text(reply: HttpResponse) -> String {
        String::from_utf8(to_bytes(reply.into_body()).await.unwrap().to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn a_crowd_costs_one_rendering() {
        let (public, made) = (Public::new(), Rc::new(AtomicU32::new(0)));
        let request = TestRequest::with_uri("/sales/a").to_http_request();
        let ask = || public.serve(&request, || page(&made));
        let replies = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert!(replies.iter().all(Result::is_ok));
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[actix_web::test]
    async fn a_crowd_does_not_wait_for_the_next_rendering() {
        let (public, made) = (Public::new(), Rc::new(AtomicU32::new(0)));
        let request = TestRequest::with_uri("/sales/a").to_http_request();
        let ask = async || text(public.serve(&request, || page(&made)).await.unwrap()).await;
        assert_eq!(ask().await, "0");
        tokio::time::sleep(FRESH + Duration::from_millis(50)).await;
        for _ in 0..10 {
            assert_eq!(ask().await, "0", "what is there is handed out meanwhile");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ask().await, "1");
        assert_eq!(made.load(Ordering::Relaxed), 2, "and one alone makes the next");
        tokio::time::sleep(OLDEST + Duration::from_millis(50)).await;
        assert_eq!(ask().await, "2", "too old is not handed out");
    }

    #[actix_web::test]
    async fn a_failure_is_not_kept() {
        let public = Public::new();
        let request = TestRequest::with_uri("/sales/a").to_http_request();
        let failed = public.serve(&request, || async { Err(Problem::not_found("sale")) }).await;
        assert!(failed.is_err());
        let made = async { Ok(Ready::page(String::new())) };
        assert!(public.serve(&request, || made).await.is_ok());
    }
}
