//! `stampede export orders` and `stampede export lines`

use std::{path::PathBuf, pin::pin};

use chrono::SecondsFormat;
use clap::{Args, Subcommand};
use futures_util::{Stream, TryStreamExt};

use super::{
    cells::{Cell, Format, Rows},
    failure::Failure,
    output::{Output, Readers},
};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{OrderId, SaleSlug, ShopperId},
        money::{Currency, Money},
    },
    platform::{config::Config, postgres},
    shop::{
        orders::export::{self, LineRow, OrderRow},
        sales,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Export {
    /// One row an order, with the buyer's e-mail and address
    Orders(What),
    /// One row a line of an order: what is to be packed, and what of it was given back
    Lines(What),
}

/// The arguments of `stampede export`.
#[derive(Debug, Args)]
pub(super) struct What {
    /// The sale's slug
    #[arg(long, value_name = "SLUG")]
    sale: SaleSlug,

    /// How rows are written
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,

    /// Where to; standard output without it. The file appears when it is whole
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const ORDER_COLUMNS: &[&str] = &[
    "order",
    "sale",
    "status",
    "reason",
    "created_at",
    "paid_at",
    "ended_at",
    "shopper",
    "email",
    "shipping_name",
    "shipping_line1",
    "shipping_city",
    "shipping_postal_code",
    "shipping_country",
    "units",
    "currency",
    "total",
    "refunded_total",
    "provider",
];

const LINE_COLUMNS: &[&str] = &[
    "order",
    "sale",
    "status",
    "created_at",
    "paid_at",
    "sku",
    "title",
    "quantity",
    "refunded",
    "restocked",
    "currency",
    "unit_price",
    "total",
];

pub(super) async fn run(config: &Config, export: &Export) -> Result<(), Failure> {
    let (Export::Orders(what) | Export::Lines(what)) = export;
    let slug = &what.sale;
    let pool = postgres::connect_for_long_reads(&config.postgres)?;
    // one instant of the database, however long it takes to write
    let mut tx = postgres::snapshot(&pool).await?;
    let sale = sales::store::by_slug(&mut *tx, slug).await?;
    let sale = sale.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no sale `{slug}`")))?;
    let rows = match export {
        Export::Orders(_) => {
            write(what, ORDER_COLUMNS, export::orders(&mut *tx, sale.id), order_cells).await?
        }
        Export::Lines(_) => {
            write(what, LINE_COLUMNS, export::lines(&mut *tx, sale.id), line_cells).await?
        }
    };
    if let Some(path) = &what.output {
        println!("{slug}: {rows} rows to {}", path.display());
    }
    Ok(())
}

async fn write<T>(
    what: &What,
    columns: &'static [&'static str],
    records: impl Stream<Item = sqlx::Result<T>>,
    cells: impl Fn(&SaleSlug, T) -> sqlx::Result<Vec<Cell>>,
) -> Result<u64, Failure> {
    let output = Output::open(what.output.as_deref(), Readers::Owner)?;
    let name = output.name();
    let mut rows = Rows::begin(what.format, columns, output).map_err(|e| name.failure(e))?;
    let mut records = pin!(records);
    let mut count = 0;
    while let Some(record) = records.try_next().await? {
        rows.push(&cells(&what.sale, record)?).map_err(|e| name.failure(e))?;
        count += 1;
    }
    rows.into_inner().map_err(|e| name.failure(e))?.finish()?;
    Ok(count)
}

fn order_cells(sale: &SaleSlug, row: OrderRow) -> sqlx::Result<Vec<Cell>> {
    let money = amounts(&row.currency)?;
    Ok(vec![
        Cell::Ours(OrderId(row.id).to_string()),
        Cell::Ours(sale.to_string()),
        Cell::Ours(row.status),
        Cell::text(row.reason),
        time(Some(row.created_at)),
        time(row.paid_at),
        time(row.ended_at),
        Cell::Ours(ShopperId(row.shopper_id).to_string()),
        Cell::Text(row.email),
        Cell::text(row.shipping_name),
        Cell::text(row.shipping_line1),
        Cell::text(row.shipping_city),
        Cell::text(row.shipping_postal_code),
        Cell::text(row.shipping_country),
        Cell::Count(row.units),
        Cell::Ours(row.currency),
        money(row.total_minor),
        money(row.refunded_minor),
        Cell::Ours(row.provider),
    ])
}

fn line_cells(sale: &SaleSlug, row: LineRow) -> sqlx::Result<Vec<Cell>> {
    let money = amounts(&row.currency)?;
    Ok(vec![
        Cell::Ours(OrderId(row.id).to_string()),
        Cell::Ours(sale.to_string()),
        Cell::Ours(row.status),
        time(Some(row.created_at)),
        time(row.paid_at),
        Cell::Text(row.sku),
        Cell::Text(row.title),
        Cell::Count(row.quantity),
        Cell::Count(row.refunded),
        Cell::Count(row.restocked),
        Cell::Ours(row.currency),
        money(row.unit_price_minor),
        money(row.unit_price_minor.saturating_mul(row.quantity)),
    ])
}

/// Minor units as a decimal of that currency.
fn amounts(currency: &str) -> sqlx::Result<impl Fn(i64) -> Cell + use<>> {
    let currency: Currency =
        currency.parse().map_err(|_| sqlx::Error::Decode("unknown currency".into()))?;
    Ok(move |amount| Cell::Ours(Money { amount, currency }.decimal()))
}

fn time(at: Option<Timestamp>) -> Cell {
    at.map_or(Cell::Missing, |at| Cell::Ours(at.to_rfc3339_opts(SecondsFormat::Millis, true)))
}
