//! The commands, one file each: read the configuration, call one verb, print, exit.

mod check_config;
mod failure;
mod import;
mod migrate;
mod pause;
mod progress;
mod terms;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::platform::{config::Config, telemetry};
use failure::Failure;

const AFTER_HELP: &str = "\
Settings come from the environment: STAMPEDE_SECTION__NAME, besides DATABASE_URL, REDIS_URL and
AMQP_URL. `stampede check-config` prints every setting with its present value.

Exit codes: 0 done; 1 failed, or something is wrong with what was checked; 2 wrong arguments or
settings; 69 a server that is needed cannot be reached; 130, 143 ended by a second signal.";

/// A flash-sale storefront that sells every unit once.
#[derive(Debug, Parser)]
#[command(name = "stampede", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database's schema up to date
    ///
    /// Safe to repeat, and safe while the shop is running: migrations only add, and what is no
    /// longer used goes in a later release. Several at once wait for each other.
    Migrate,

    /// Create a sale from a TOML file, or set it to what the file says
    ///
    /// Safe to repeat: the same file twice changes nothing, and stock is the wanted total, never an
    /// increment. A total below what is held and sold is an error, and so is removing a SKU of which
    /// something is held or sold, or, once the sale is open, another price, hold or currency. Every
    /// error names line and field, and a file with an error changes nothing. Offsets such as "+2m"
    /// count from the first import.
    Import(import::Import),

    /// Stop taking for a sale; releases and checkouts of what is held go on
    Pause(pause::Switch),

    /// Let a paused sale go on
    Resume(pause::Switch),

    /// Print every setting with its present value, and check them
    ///
    /// The output is TOML, one section a part of the program. Secrets, and passwords inside
    /// URLs, are shown as ***. An error names the variable and what was expected.
    CheckConfig,
}

/// Parses the arguments, runs the command, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    let config = Config::from_env()?;
    telemetry::init(&config.log).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(async {
        match command {
            Command::Migrate => migrate::run(&config).await,
            Command::Import(arguments) => import::run(&config, arguments).await,
            Command::Pause(sale) => pause::run(&config, sale, true).await,
            Command::Resume(sale) => pause::run(&config, sale, false).await,
            Command::CheckConfig => check_config::run(&config),
        }
    })
}
