//! The commands, one file each: read the configuration, call one verb, print, exit.

mod audit;
mod cells;
mod check_config;
mod dead_letters;
mod export;
mod failure;
mod import;
mod migrate;
mod orders;
mod output;
mod pause;
pub mod process;
mod progress;
mod report;
mod rooms;
mod serve;
mod table;
mod terms;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    platform::{config::Config, telemetry},
    workers::Role,
};
use failure::Failure;
use process::Shape;

const AFTER_HELP: &str = "\
Settings come from the environment: STAMPEDE_SECTION__NAME, besides DATABASE_URL, REDIS_URL and
AMQP_URL. `stampede check-config` prints every setting with its present value.

Exit codes: 0 done; 1 failed, or something is wrong with what was checked; 2 wrong arguments or
settings; 69 a server that is needed cannot be reached; 130, 143 ended by a second signal; 141 the
reader of the output left.";

/// A flash-sale storefront that sells every unit once.
#[derive(Debug, Parser)]
#[command(name = "stampede", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve shoppers, without any worker
    ///
    /// Copies share nothing but Redis, RabbitMQ and Postgres. Without a command, `stampede` serves
    /// and runs every worker in one process.
    Serve,

    /// Run workers, without serving shoppers; all of them unless some are named
    ///
    /// Several copies of any of them do no harm.
    Work {
        /// Which workers
        #[arg(value_name = "ROLE")]
        roles: Vec<Role>,
    },

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

    /// Verify that every unit is where it should be; exits with 1 on a breach
    ///
    /// Sums units over claims, returns and orders one by one, and compares them with the counters,
    /// the totals and the lines in Postgres; and orders, checkouts and refunds with the payment
    /// providers' own books. While shoppers are at work it looks for a quiet moment for some seconds.
    Audit(audit::AuditArguments),

    /// See orders, cancel them, give money back
    #[command(subcommand)]
    Orders(orders::Orders),

    /// See, replay and drop what could not be written
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),

    /// Write a sale's orders, or their lines, as CSV or JSON Lines
    ///
    /// All of one instant, however long it takes and whatever is bought meanwhile, and in the same
    /// memory whatever their number. Orders carry e-mail and address, for whoever ships the goods:
    /// treat the output as personal data. Amounts are decimals of the currency beside them, times
    /// are UTC. In CSV, what a shopper typed and a spreadsheet would take for a formula gets an
    /// apostrophe in front.
    #[command(subcommand)]
    Export(export::Export),

    /// Print what became of a sale: demand, sell-out times, conversion, expiries, refunds
    ///
    /// While the sale runs too; then it says so. Counts every order anew, and what Redis counted as
    /// far as it was flushed.
    Report(report::Arguments),

    /// Manage where events are sent to: merchants' endpoints
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),

    /// Print every setting with its present value, and check them
    ///
    /// The output is TOML, one section a part of the program. Secrets, and passwords inside
    /// URLs, are shown as ***. An error names the variable and what was expected.
    CheckConfig,
}

/// Parses the arguments, runs the command, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::ReaderLeft) {
                eprintln!("error: {failure}");
            }
            failure.exit_code()
        }
    }
}

fn run(command: Option<Command>) -> Result<(), Failure> {
    let config = Config::from_env()?;
    telemetry::init(&config.log).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(async {
        match command {
            None => serve::run(config, Shape { web: true, roles: Role::ALL.to_vec() }).await,
            Some(Command::Serve) => {
                serve::run(config, Shape { web: true, roles: Vec::new() }).await
            }
            Some(Command::Work { roles }) => {
                let roles = if roles.is_empty() { Role::ALL.to_vec() } else { roles };
                serve::run(config, Shape { web: false, roles }).await
            }
            Some(Command::Migrate) => migrate::run(&config).await,
            Some(Command::Import(arguments)) => import::run(&config, &arguments).await,
            Some(Command::Pause(sale)) => pause::run(&config, &sale, true).await,
            Some(Command::Resume(sale)) => pause::run(&config, &sale, false).await,
            Some(Command::Audit(arguments)) => Box::pin(audit::run(&config, &arguments)).await,
            Some(Command::Orders(command)) => Box::pin(orders::run(&config, &command)).await,
            Some(Command::DeadLetters(command)) => dead_letters::run(&config, &command).await,
            Some(Command::Export(export)) => export::run(&config, &export).await,
            Some(Command::Report(arguments)) => report::run(&config, &arguments).await,
            Some(Command::Webhooks(command)) => webhooks::run(&config, &command).await,
            Some(Command::CheckConfig) => check_config::run(&config),
        }
    })
}
