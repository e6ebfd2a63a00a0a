//! All SQL of `sale_phases`.

use std::collections::HashMap;

use sqlx::PgExecutor;

use super::{Phase, Told};
use crate::kernel::{clock::Timestamp, ids::SaleId};

/// What was told last, by sale.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<HashMap<SaleId, Told>> {
    let rows = sqlx::query!("SELECT sale_id, phase, recorded_at FROM sale_phases");
    let told = rows.fetch_all(db).await?.into_iter().map(|row| {
        let phase = phase_of(&row.phase).ok_or_else(|| sqlx::Error::Decode("no phase".into()))?;
        Ok((SaleId(row.sale_id), Told { phase, at: row.recorded_at }))
    });
    told.collect()
}

/// Records `phase`, if `last` is still what was told last; false when another was faster.
pub async fn record(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    last: Option<Phase>,
    phase: Phase,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let recorded = sqlx::query!(
        "INSERT INTO sale_phases AS old (sale_id, phase, recorded_at) VALUES ($1, $3, $4)
         ON CONFLICT (sale_id) DO UPDATE SET phase = excluded.phase,
             recorded_at = excluded.recorded_at
         WHERE old.phase = $2",
        sale.0,
        last.map(name_of),
        name_of(phase),
        at
    );
    Ok(recorded.execute(db).await?.rows_affected() > 0)
}

fn name_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "before",
        Phase::Open => "open",
        Phase::Paused => "paused",
        Phase::Ended => "ended",
    }
}

fn phase_of(name: &str) -> Option<Phase> {
    [Phase::Before, Phase::Open, Phase::Paused, Phase::Ended]
        .into_iter()
        .find(|phase| name_of(*phase) == name)
}
