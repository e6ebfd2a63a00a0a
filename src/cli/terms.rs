//! What the commands that change a sale's terms have in common.

use std::path::Path;

use comfy_table::{Table, presets};

use super::failure::Failure;
use crate::{
    flows::sale_terms::{SaleTerms, SaleTermsError, file::FileErrors},
    kernel::{clock::Clock, ids::SaleSlug},
    platform::{
        config::Config,
        postgres,
        redis::{Redis, RedisOptions},
    },
    shop::{
        inventory::{Inventory, Scripts},
        sales::Sales,
    },
};

/// The flow, with connections of its own.
pub(super) fn connect(config: &Config) -> Result<SaleTerms, Failure> {
    let pool = postgres::connect(&config.postgres)?;
    let options = RedisOptions {
        pool_size: config.redis.pool_size,
        connect_timeout: config.redis.connect_timeout,
        reply_timeout: config.redis.call_timeout,
    };
    let redis = Redis::new(config.redis.url.expose(), options).map_err(Failure::failed)?;
    let clock = Clock::system();
    let inventory =
        Inventory::new(redis, &config.redis.prefix, clock.clone(), Scripts::production());
    let sales = Sales::new(pool.clone());
    Ok(SaleTerms::new(pool, inventory, sales, clock, config.checkout.grace))
}

/// A file with errors.
pub(super) fn invalid(path: &Path, errors: &FileErrors) -> Failure {
    Failure::failed(anyhow::anyhow!("{}: nothing was changed\n{errors}", path.display()))
}

/// What went wrong with `sale`, maybe because of the file at `path`.
pub(super) fn failure(error: SaleTermsError, path: &Path, sale: &SaleSlug) -> Failure {
    match error {
        SaleTermsError::Invalid(errors) => invalid(path, &errors),
        SaleTermsError::Postgres(error) => error.into(),
        error @ (SaleTermsError::StockAway(_) | SaleTermsError::Contended) => {
            Failure::Unavailable(anyhow::anyhow!("{sale}: {error}"))
        }
        error @ (SaleTermsError::NotFound | SaleTermsError::Unexpected(_)) => {
            Failure::failed(anyhow::anyhow!("{sale}: {error}"))
        }
    }
}

/// Rows under a header, in columns as wide as they need to be.
pub(super) fn table<'a, const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [&'a str; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    table.trim_fmt()
}
