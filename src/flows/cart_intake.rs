//! Takes messages of the cart stream over into Postgres.
//!
//! Lines, barriers, dead letters and the next offset are committed in one transaction that checks
//! the old offset, so nothing is taken twice, a second or forgotten writer does no harm, and what
//! cannot be written is kept with its reason without stopping its neighbours.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{Acquire, PgConnection, PgPool};

use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::SaleId,
        line::CartLine,
        version::Epoch,
    },
    shop::{
        cart::{self, message::CartMessage},
        dead_letters::{self, DeadLetter, Failure, Replay},
        sales,
    },
};

/// The source that dead letters of this road carry.
pub const SOURCE: &str = "cart";

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Committed, with this many lines and dead letters.
    Committed {
        /// Lines written or found to be older than what stands.
        lines: usize,
        /// Messages and lines kept as dead letters.
        parked: usize,
    },
    /// Another writer has moved the offset: read again from where Postgres stands.
    Overtaken,
}

/// Takes messages over. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CartIntake {
    pool: PgPool,
    clock: Clock,
}

/// A batch, decoded.
#[derive(Default)]
struct Batch {
    lines: BTreeMap<SaleId, Vec<CartLine>>,
    barriers: Vec<(SaleId, u16, Epoch)>,
    undecodable: Vec<(i64, Bytes, String)>,
}

impl CartIntake {
    /// An intake into this database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// How far the stream was taken over.
    pub async fn state(&self) -> sqlx::Result<cart::store::StreamState> {
        cart::store::stream_state(&mut *self.pool.acquire().await?).await
    }

    /// Takes note that all there was has been taken over.
    pub async fn caught_up(&self, generation: i64) -> sqlx::Result<()> {
        cart::store::caught_up(&self.pool, generation, self.clock.now()).await
    }

    /// Commits a batch of `(offset, bytes)` that begins at `expected`. May be repeated after any
    /// error: either all of it was committed, and then it is `Overtaken`, or nothing.
    pub async fn take_over(
        &self,
        generation: i64,
        expected: i64,
        messages: &[(i64, Bytes)],
    ) -> sqlx::Result<Taken> {
        let Some(next) = messages.last().map(|(offset, _)| offset + 1) else {
            return Ok(Taken::Committed { lines: 0, parked: 0 });
        };
        let batch = Batch::decode(messages);
        let mut tx = self.pool.begin().await?;
        if !cart::store::advance(&mut *tx, generation, expected, next).await? {
            return Ok(Taken::Overtaken);
        }
        let position = format!("generation {generation}, offsets {expected} to {}", next - 1);
        let now = self.clock.now();
        let mut parked = batch.undecodable.len();
        for (offset, payload, reason) in &batch.undecodable {
            let position = format!("generation {generation}, offset {offset}");
            let failure = Failure::new(SOURCE, &position, reason, payload);
            dead_letters::store::insert(&mut *tx, failure, now).await?;
        }
        let mut lines = 0;
        for (sale, of_sale) in &batch.lines {
            lines += of_sale.len();
            parked += write_or_park(&mut tx, *sale, of_sale, &position, now).await?;
        }
        for (sale, bucket, epoch) in &batch.barriers {
            sales::store::set_barrier(&mut *tx, *sale, *bucket, *epoch).await?;
        }
        tx.commit().await?;
        Ok(Taken::Committed { lines, parked })
    }
}

/// Writes a dead letter's lines once more. A line that is older than what stands changes nothing.
#[async_trait]
impl Replay for CartIntake {
    fn queue(&self) -> &str {
        SOURCE
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        match CartMessage::decode(&letter.payload)? {
            CartMessage::Lines { sale, lines, .. } => {
                Ok(cart::store::upsert(tx, sale, &lines).await?)
            }
            CartMessage::Barrier { .. } => anyhow::bail!("a barrier is of no use afterwards"),
        }
    }

    fn show(&self, letter: &DeadLetter) -> String {
        match CartMessage::decode(&letter.payload) {
            Ok(message) => format!("{message:#?}"),
            Err(error) => format!("{} bytes: {error}", letter.payload.len()),
        }
    }
}

/// When a message was published; `None` when it does not say so.
#[must_use]
pub fn sent_at(message: &[u8]) -> Option<Timestamp> {
    match CartMessage::decode(message) {
        Ok(CartMessage::Lines { sent, .. }) => Some(sent),
        _ => None,
    }
}

impl Batch {
    fn decode(messages: &[(i64, Bytes)]) -> Self {
        let mut batch = Self::default();
        for (offset, bytes) in messages {
            match CartMessage::decode(bytes) {
                Ok(CartMessage::Lines { sale, lines, .. }) => {
                    batch.lines.entry(sale).or_default().extend(lines);
                }
                Ok(CartMessage::Barrier { sale, bucket, epoch }) => {
                    batch.barriers.push((sale, bucket, epoch));
                }
                Err(error) => {
                    batch.undecodable.push((*offset, bytes.clone(), error.to_string()));
                }
            }
        }
        batch
    }
}

/// Writes what can be written: a piece that the database refuses is halved until the line at fault
/// stands alone. Returns how many lines were kept as dead letters.
async fn write_or_park(
    conn: &mut PgConnection,
    sale: SaleId,
    lines: &[CartLine],
    position: &str,
    now: Timestamp,
) -> sqlx::Result<usize> {
    let mut parked = 0;
    let mut pieces = vec![lines];
    while let Some(piece) = pieces.pop() {
        let mut savepoint = conn.begin().await?;
        match cart::store::upsert(&mut savepoint, sale, piece).await {
            Ok(()) => {
                savepoint.commit().await?;
                continue;
            }
            Err(error) if !is_refusal(&error) => return Err(error),
            Err(error) => {
                savepoint.rollback().await?;
                if let [line] = piece {
                    park(conn, sale, line, position, &error.to_string(), now).await?;
                    parked += 1;
                    continue;
                }
            }
        }
        let (left, right) = piece.split_at(piece.len() / 2);
        pieces.extend([left, right]);
    }
    Ok(parked)
}

async fn park(
    conn: &mut PgConnection,
    sale: SaleId,
    line: &CartLine,
    position: &str,
    reason: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    let message = CartMessage::Lines { sale, sent: now, lines: vec![line.clone()] };
    let payload = message.encode().unwrap_or_default();
    let subject = format!("sale {}, {}", sale.0, line.sku);
    let failure = Failure::new(SOURCE, position, reason, &payload).about(Some(&subject));
    dead_letters::store::insert(conn, failure, now).await.map(drop)
}

/// Whether the database refuses the data itself (SQL states 22 and 23), so that trying again would
/// fail again.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
