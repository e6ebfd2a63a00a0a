//! `stampede import FILE`

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{failure::Failure, progress, rooms::Rooms, table::table, terms};
use crate::{
    flows::sale_terms::{
        Change, Imported, InRedis, Outcome,
        file::{self, SaleFile},
    },
    platform::config::Config,
};

/// The arguments of `stampede import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The sale as a TOML file; its pictures lie beside it
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Do nothing when the sale is there already
    #[arg(long)]
    if_absent: bool,
}

/// A sale may have thousands of SKUs; the terminal has fifty lines.
const MAX_ROWS: usize = 40;

pub(super) async fn run(config: &Config, arguments: &Import) -> Result<(), Failure> {
    let path = &arguments.path;
    let file = file::read(path).map_err(|error| match error {
        file::ReadError::Invalid(errors) => terms::invalid(path, &errors),
        error @ file::ReadError::Io { .. } => Failure::failed(error),
    })?;
    let sale_terms = Rooms::new(config)?.sale_terms;
    let import = sale_terms.import(&file, arguments.if_absent);
    let imported = progress::shown("importing", import)
        .await
        .map_err(|error| terms::failure(error, path, &file.slug))?;
    report(path, &file, &imported);
    Ok(())
}

fn report(path: &Path, file: &SaleFile, imported: &Imported) {
    let slug = &file.slug;
    let revision = imported.revision.0;
    match imported.outcome {
        Outcome::Unchanged => println!("{slug}: nothing to change (revision {revision})"),
        Outcome::Created => {
            let skus = file.products.iter().flat_map(|product| &product.skus);
            let units: i64 = skus.clone().map(|item| i64::from(item.stock.value)).sum();
            let (products, skus) = (file.products.len(), skus.count());
            println!(
                "{slug}: new from {}, {products} products, {skus} SKUs, {units} units (revision \
                 {revision})",
                path.display()
            );
        }
        Outcome::Changed => {
            let count = imported.changes.len();
            println!("{slug}: {count} changes from {} (revision {revision})", path.display());
        }
    }
    if std::io::stdout().is_terminal() && !imported.changes.is_empty() {
        println!("{}", changes_table(&imported.changes));
    }
    if let InRedis::Later(reason) = &imported.in_redis {
        eprintln!("note: stored; the open stock follows as soon as it can ({reason})");
    }
}

fn changes_table(changes: &[Change]) -> String {
    let rows = changes.iter().take(MAX_ROWS).map(|change| {
        [change.what.clone(), change.field.to_owned(), change.before.clone(), change.after.clone()]
    });
    let text = table(["what", "field", "before", "after"], rows);
    match changes.len().saturating_sub(MAX_ROWS) {
        0 => text,
        more => format!("{text}\nand {more} more"),
    }
}
