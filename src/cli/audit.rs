//! `stampede audit`

use chrono::TimeDelta;
use clap::Args;

use super::{failure::Failure, progress, rooms::Rooms, table::table};
use crate::{
    flows::reconciliation::{Audit, Kind},
    platform::config::Config,
    shop::dead_letters,
};

/// The arguments of `stampede audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Mend what a program may mend: void what is set aside for nothing, try again what was parked
    #[arg(long)]
    mend: bool,
    /// Compare payments that were begun within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

pub(super) async fn run(config: &Config, arguments: &AuditArguments) -> Result<(), Failure> {
    let Rooms { pool, auditor, checkout, clock, .. } = Rooms::new(config)?;
    let audits =
        progress::shown("auditing", Box::pin(auditor.all())).await.map_err(Failure::from_anyhow)?;
    let header =
        ["sale", "sku", "total", "available", "held", "sold", "paid", "on paper", "returning"];
    println!("{}", table(header, audits.iter().flat_map(rows)));
    let mut breaches = 0;
    for audit in &audits {
        let slug = &audit.sale.slug;
        match audit.epoch {
            None => println!("{slug}: closed in Redis; only orders were compared with totals"),
            Some(_) if !audit.quiet => {
                println!("{slug}: shoppers are at work; claims were not summed at one instant");
            }
            Some(_) => {}
        }
        if audit.open_sagas > 0 {
            println!("{slug}: {} checkouts or refunds are under way", audit.open_sagas);
        }
        for breach in &audit.breaches {
            println!("BREACH {slug} {breach}");
            breaches += 1;
        }
    }
    let since = clock.now() - TimeDelta::days(arguments.days.into());
    let differences = progress::shown("comparing payments", Box::pin(auditor.payments(since)))
        .await
        .map_err(Failure::from_anyhow)?;
    for difference in &differences {
        let mended = match difference.kind {
            _ if !arguments.mend => None,
            Kind::Parked => {
                checkout.wake(difference.order).await.map_err(Failure::failed)?;
                Some("it is tried again")
            }
            _ => auditor.mend(difference).await.map_err(Failure::from_anyhow)?,
        };
        if let Some(mended) = mended {
            println!("MENDED {difference}: {mended}");
        } else {
            println!("BREACH {difference}; {}", difference.kind.remedy());
            breaches += 1;
        }
    }
    let letters = dead_letters::store::count_waiting(&pool).await?;
    if letters > 0 {
        println!("{letters} dead letters wait: stampede dead-letters list");
    }
    if breaches > 0 {
        return Err(Failure::Failed(anyhow::anyhow!("{breaches} breaches")));
    }
    println!("ok: every unit is where it should be");
    Ok(())
}

fn rows(audit: &Audit) -> impl Iterator<Item = [String; 9]> + '_ {
    audit.skus.iter().map(|(sku, sums)| {
        let counted = |of: i64| audit.epoch.map_or_else(|| "-".to_owned(), |_| of.to_string());
        [
            audit.sale.slug.to_string(),
            sku.to_string(),
            sums.total.to_string(),
            counted(sums.counted.available),
            counted(sums.counted.held),
            counted(sums.counted.sold),
            sums.paid.to_string(),
            sums.held_on_paper.to_string(),
            counted(sums.returning),
        ]
    })
}
