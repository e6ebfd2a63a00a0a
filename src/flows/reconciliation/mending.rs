//! Comparing with the providers' books, and mending what a program may mend.

use std::collections::BTreeSet;

use super::{
    Auditor, PAUSE,
    payments::{Checkout, Difference, Kind, OnRecord, differences},
    store,
};
use crate::{
    kernel::{clock::Timestamp, ids::OrderId},
    shop::payments::{Charge, Payment},
};

/// Looks until two in a row agree.
const LOOKS: usize = 20;

impl Auditor {
    /// In what orders and the providers' books differ, of all that was begun since then. What is
    /// found must stand in two looks in a row: sagas settle meanwhile.
    pub async fn payments(&self, since: Timestamp) -> anyhow::Result<Vec<Difference>> {
        let mut last = self.compare(since).await?;
        for _ in 1..LOOKS {
            if last.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            let next = self.compare(since).await?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    async fn compare(&self, since: Timestamp) -> anyhow::Result<Vec<Difference>> {
        let mut found = Vec::new();
        for provider in self.payments.all() {
            let book = provider.book(since).await?;
            let named: BTreeSet<OrderId> = book.iter().filter_map(|entry| entry.order).collect();
            // the book first: an order is on record before its payment
            let named: Vec<OrderId> = named.into_iter().collect();
            let orders = store::orders(&self.pool, Some(since), &named).await?;
            found.extend(differences(provider.name(), &orders, &book));
        }
        Ok(found)
    }

    /// Voids what is set aside for an order that came to nothing; looks at the order once more. Any
    /// other difference is not for this to mend. Says what it did; safe to repeat.
    pub async fn mend(&self, difference: &Difference) -> anyhow::Result<Option<&'static str>> {
        if difference.kind != Kind::AuthorisedNotPaid {
            return Ok(None);
        }
        let orders = store::orders(&self.pool, None, &[difference.order]).await?;
        let Some(order) = orders.first().filter(|order| order.checkout == Checkout::Done) else {
            return Ok(None);
        };
        if !order.came_to_nothing() {
            return Ok(None);
        }
        let provider = self.payments.of(&order.provider)?;
        match provider.void(&order.payment()?).await? {
            Charge::Voided => Ok(Some("voided")),
            _ => Ok(None),
        }
    }
}

impl OnRecord {
    fn payment(&self) -> anyhow::Result<Payment> {
        Ok(Payment {
            order: self.order,
            sale: self.sale.clone(),
            amount: self.total,
            method: self.method.parse()?,
            reference: self.reference.clone(),
        })
    }
}
