//! `stampede migrate`

use super::failure::Failure;
use crate::platform::{config::Config, postgres};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let pool = postgres::connect(&config.postgres)?;
    let version = postgres::migrate(&pool).await?;
    println!("the schema is up to date (migration {version})");
    Ok(())
}
