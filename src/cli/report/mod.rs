//! `stampede report SLUG`

mod bins;
mod charts;
mod html;
mod text;
mod words;

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    failure::Failure,
    output::{Output, Readers},
    progress,
};
use crate::{
    flows::statistics::Statistics,
    kernel::{clock::Clock, ids::SaleSlug},
    platform::{config::Config, postgres},
};

/// The arguments of `stampede report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The sale's slug
    #[arg(value_name = "SLUG")]
    slug: SaleSlug,

    /// Also write a page with charts, which needs nothing but itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let slug = &arguments.slug;
    // first of all, so that nobody waits for what cannot be written
    let page = match &arguments.html {
        Some(path) => Some((path, Output::open(Some(path), Readers::Everybody)?)),
        None => None,
    };
    let statistics = Statistics::new(postgres::connect_for_long_reads(&config.postgres)?);
    let now = Clock::system().now();
    let report = progress::shown("counting", Box::pin(statistics.report(slug, now)))
        .await
        .map_err(Failure::from_anyhow)?
        .ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no sale `{slug}`")))?;
    let mut text = text::render(&report);
    if let Some((path, mut page)) = page {
        let html = html::render(&report).map_err(Failure::failed)?;
        let name = page.name();
        page.write_all(html.as_bytes()).map_err(|error| name.failure(error))?;
        page.finish()?;
        text = format!("{text}\nThe page with charts: {}\n", path.display());
    }
    let mut output = Output::open(None, Readers::Owner)?;
    let name = output.name();
    output.write_all(text.as_bytes()).map_err(|error| name.failure(error))?;
    output.finish()?;
    let told = std::io::stdout().is_terminal() && arguments.html.is_none();
    if told && !report.moments.is_empty() {
        eprintln!("With charts: stampede report {slug} --html report.html");
    }
    Ok(())
}
