//! Tells when a sale opens, pauses and ends: the phase that was told last and the event are
//! committed together, so each change is told once, however many look.

use sqlx::PgPool;

use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::Ids,
    },
    platform::outbox::Outbox,
    shop::{
        events::{self, Event, Fact, PhaseFact},
        sales::{
            self, Phase, Sale,
            phases::{self, Told},
        },
    },
};

/// Records the phases of sales. Cheap to clone.
#[derive(Clone)]
pub struct SalePhases {
    pool: PgPool,
    clock: Clock,
    ids: Ids,
    outbox: Outbox,
}

impl SalePhases {
    /// Records into this database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, ids: Ids, outbox: Outbox) -> Self {
        Self { pool, clock, ids, outbox }
    }

    /// Looks at every sale and tells what has changed. Returns how many sales had.
    pub async fn look(&self) -> sqlx::Result<usize> {
        let told = phases::store::all(&self.pool).await?;
        let (sales, now) = (sales::store::all(&self.pool).await?, self.clock.now());
        let mut changed = 0;
        for sale in &sales {
            let last = told.get(&sale.id).copied();
            if last.map(|last| last.phase) != Some(sale.phase(now))
                && self.record(sale, last, now).await?
            {
                changed += 1;
            }
        }
        if changed > 0 {
            self.outbox.wake();
        }
        Ok(changed)
    }

    async fn record(&self, sale: &Sale, last: Option<Told>, now: Timestamp) -> sqlx::Result<bool> {
        let (before, phase) = (last.map(|last| last.phase), sale.phase(now));
        let mut tx = self.pool.begin().await?;
        if !phases::store::record(&mut *tx, sale.id, before, phase, now).await? {
            return Ok(false);
        }
        let entered = phases::entered(sale, last, now).into_iter();
        let events: Vec<_> = entered
            .filter_map(|(phase, at)| {
                Some(Event::new(self.ids.unique(), at, fact_of(sale, phase)?))
            })
            .collect();
        events::store::append(&mut *tx, &events).await?;
        tx.commit().await?;
        tracing::info!(sale = %sale.slug, ?phase, "the sale has entered a phase");
        Ok(true)
    }
}

fn fact_of(sale: &Sale, phase: Phase) -> Option<Fact> {
    let (starts_at, ends_at) = (sale.starts_at, sale.ends_at);
    let fact = PhaseFact { sale: sale.slug.clone(), starts_at, ends_at };
    match phase {
        Phase::Before => None,
        Phase::Open => Some(Fact::SaleOpened(fact)),
        Phase::Paused => Some(Fact::SalePaused(fact)),
        Phase::Ended => Some(Fact::SaleEnded(fact)),
    }
}
