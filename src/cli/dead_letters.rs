//! `stampede dead-letters`

use clap::{ArgGroup, Args, Subcommand};

use super::{failure::Failure, rooms::Rooms, table::table};
use crate::{
    platform::config::Config,
    shop::dead_letters::{self, DeadLetter, Dropped, ReplayError, Replayed},
};

/// Read at once.
const PAGE: i64 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
    /// List what failed and waits, oldest first
    List {
        /// Of this queue only, such as cart or events.mails
        #[arg(long, value_name = "QUEUE")]
        queue: Option<String>,
    },
    /// Show one of them whole: where it stood, why it failed, what it says
    Show {
        /// Its number in the list
        id: i64,
    },
    /// Try once more; what succeeds leaves the list
    ///
    /// Safe at any time: what has been done since, or is older than what stands by now, changes
    /// nothing. Exits with 1 when any fails again.
    Replay(Which),
    /// Give some up: they leave the list, and stay on record with the reason
    Drop {
        /// Numbers in the list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// Why they are of no use
        #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        why: String,
    },
}

/// Which to replay: numbers, or all.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "all"])))]
pub(super) struct Which {
    /// Numbers in the list
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// All that wait
    #[arg(long)]
    all: bool,
    /// With --all: of this queue only
    #[arg(long, value_name = "QUEUE", requires = "all", conflicts_with = "ids")]
    queue: Option<String>,
}

pub(super) async fn run(config: &Config, command: &DeadLetters) -> Result<(), Failure> {
    let rooms = &Rooms::new(config)?;
    match command {
        DeadLetters::List { queue } => list(rooms, queue.as_deref()).await,
        DeadLetters::Show { id } => show(rooms, *id).await,
        DeadLetters::Replay(which) => replay(rooms, which).await,
        DeadLetters::Drop { ids, why } => drop(rooms, ids, why).await,
    }
}

async fn list(rooms: &Rooms, queue: Option<&str>) -> Result<(), Failure> {
    let letters = dead_letters::store::waiting(&rooms.pool, queue, 0, PAGE).await?;
    let rows = letters.iter().map(|letter| {
        [
            letter.id.to_string(),
            letter.last_failed_at.to_rfc3339(),
            letter.attempts.to_string(),
            letter.source.clone(),
            letter.subject.clone().unwrap_or_default(),
            letter.reason.clone(),
        ]
    });
    let header = ["id", "failed at", "attempts", "queue", "belongs to", "reason"];
    println!("{}", table(header, rows));
    for waiting in dead_letters::store::waiting_by_source(&rooms.pool).await? {
        if queue.is_none_or(|queue| queue == waiting.source) {
            let oldest = waiting.oldest.to_rfc3339();
            eprintln!("{}: {} waiting, the oldest since {oldest}", waiting.source, waiting.letters);
        }
    }
    Ok(())
}

async fn show(rooms: &Rooms, id: i64) -> Result<(), Failure> {
    let letter = dead_letters::store::get(&rooms.pool, id).await?;
    let letter = letter.ok_or_else(|| Failure::failed(ReplayError::NotFound(id)))?;
    let or_none = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
    println!("id            {}", letter.id);
    println!("queue         {}", letter.source);
    println!("position      {}", letter.position);
    println!("belongs to    {}", or_none(letter.subject.as_ref()));
    println!("attempts      {}", letter.attempts);
    println!("first failed  {}", letter.first_failed_at.to_rfc3339());
    println!("last failed   {}", letter.last_failed_at.to_rfc3339());
    println!("reason        {}", letter.reason);
    if let Some(at) = letter.replayed_at {
        println!("replayed      {}", at.to_rfc3339());
    }
    if let Some(at) = letter.dropped_at {
        println!("dropped       {}, {}", at.to_rfc3339(), or_none(letter.drop_reason.as_ref()));
    }
    println!("\n{}", rooms.dead_letters.show(&letter));
    Ok(())
}

#[derive(Default)]
struct Tally {
    replayed: usize,
    nothing: usize,
    failed: usize,
}

impl Tally {
    /// Only a server that is away ends the run: the next letter would fare no better.
    async fn replay(&mut self, rooms: &Rooms, id: i64) -> Result<(), Failure> {
        match rooms.dead_letters.replay(id).await {
            Ok(Replayed::Now) => self.replayed += 1,
            Ok(Replayed::Before(at)) => {
                eprintln!("{id}: nothing to do, replayed {}", at.to_rfc3339());
                self.nothing += 1;
            }
            Ok(Replayed::Dropped(at)) => {
                eprintln!("{id}: nothing to do, dropped {}", at.to_rfc3339());
                self.nothing += 1;
            }
            Err(ReplayError::Database(error)) => return Err(error.into()),
            Err(error) => {
                eprintln!("{id}: {error:#}");
                self.failed += 1;
            }
        }
        Ok(())
    }
}

async fn replay(rooms: &Rooms, which: &Which) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for id in &which.ids {
        tally.replay(rooms, *id).await?;
    }
    if which.all {
        let (queue, mut after) = (which.queue.as_deref(), 0);
        loop {
            let page = dead_letters::store::waiting(&rooms.pool, queue, after, PAGE).await?;
            let Some(DeadLetter { id: last, .. }) = page.last() else { break };
            after = *last;
            for letter in &page {
                tally.replay(rooms, letter.id).await?;
            }
        }
    }
    println!("{} replayed, {} failed again", tally.replayed, tally.failed);
    if tally.failed > 0 {
        return Err(Failure::Failed(anyhow::anyhow!("{} dead letters remain", tally.failed)));
    }
    Ok(())
}

async fn drop(rooms: &Rooms, ids: &[i64], why: &str) -> Result<(), Failure> {
    for id in ids {
        match rooms.dead_letters.drop(*id, why).await {
            Ok(Dropped::Now) => println!("{id}: dropped"),
            Ok(Dropped::Before) => eprintln!("{id}: nothing to do, replayed or dropped before"),
            Err(ReplayError::Database(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Ok(())
}
