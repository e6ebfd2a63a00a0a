//! How many requests are under way to each endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::kernel::ids::EndpointId;

#[derive(Clone, Default)]
pub(super) struct Lanes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    under_way: Mutex<HashMap<EndpointId, usize>>,
    left: Notify,
}

/// A request's place in its lane, until it is dropped.
pub(super) struct Place {
    lanes: Lanes,
    endpoint: EndpointId,
}

impl Lanes {
    pub(super) fn under_way(&self, endpoint: EndpointId) -> usize {
        let under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(&endpoint).copied().unwrap_or_default()
    }

    pub(super) fn enter(&self, endpoint: EndpointId) -> Place {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        *under_way.entry(endpoint).or_default() += 1;
        Place { lanes: self.clone(), endpoint }
    }

    pub(super) async fn one_left(&self) {
        self.0.left.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let inner = &self.lanes.0;
        let mut under_way = inner.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.endpoint) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                under_way.remove(&self.endpoint);
            }
        }
        drop(under_way);
        inner.left.notify_one();
    }
}
