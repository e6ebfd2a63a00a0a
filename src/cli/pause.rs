//! `stampede pause SLUG` and `stampede resume SLUG`

use std::path::Path;

use clap::Args;

use super::{failure::Failure, progress, rooms::Rooms, terms};
use crate::{flows::sale_terms::InRedis, kernel::ids::SaleSlug, platform::config::Config};

/// The arguments of `stampede pause` and `stampede resume`.
#[derive(Debug, Args)]
pub(super) struct Switch {
    /// The sale's slug
    #[arg(value_name = "SLUG")]
    slug: SaleSlug,
}

pub(super) async fn run(config: &Config, switch: &Switch, paused: bool) -> Result<(), Failure> {
    let slug = &switch.slug;
    let sale_terms = Rooms::new(config)?.sale_terms;
    let switched = progress::shown("switching", sale_terms.set_paused(slug, paused))
        .await
        .map_err(|error| terms::failure(error, Path::new(""), slug))?;
    let state = if paused { "paused" } else { "not paused" };
    let already = if switched.changed { "now" } else { "already" };
    println!("{slug}: {already} {state} (revision {})", switched.revision.0);
    if let InRedis::Later(reason) = &switched.in_redis {
        eprintln!("note: stored; the open stock follows as soon as it can ({reason})");
    }
    Ok(())
}
