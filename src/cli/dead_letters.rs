//! `stampede dead-letters`

use clap::Subcommand;

use super::{failure::Failure, rooms::Rooms, table::table};
use crate::{
    flows::cart_intake,
    platform::config::Config,
    shop::{
        cart::message::CartMessage,
        dead_letters::{self, DeadLetter},
    },
};

/// Shown and replayed at once.
const PAGE: i64 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
    /// List what failed and was not replayed since, oldest first
    List,
    /// Show one of them whole: where it stood, why it failed, what it says
    Show {
        /// Its number in the list
        id: i64,
    },
    /// Try once more; what succeeds leaves the list
    ///
    /// Safe at any time: a line that is older than what stands by now changes nothing. Exits with 1
    /// when any fails again.
    Replay {
        /// Numbers in the list; none means all of them
        ids: Vec<i64>,
    },
}

pub(super) async fn run(config: &Config, command: &DeadLetters) -> Result<(), Failure> {
    let rooms = &Rooms::new(config)?;
    match command {
        DeadLetters::List => list(rooms).await,
        DeadLetters::Show { id } => show(rooms, *id).await,
        DeadLetters::Replay { ids } => replay(rooms, ids).await,
    }
}

async fn list(rooms: &Rooms) -> Result<(), Failure> {
    let letters = dead_letters::store::waiting(&rooms.pool, PAGE).await?;
    let rows = letters.iter().map(|letter| {
        [
            letter.id.to_string(),
            letter.failed_at.to_rfc3339(),
            letter.source.clone(),
            letter.position.clone(),
            letter.reason.clone(),
        ]
    });
    println!("{}", table(["id", "failed at", "source", "position", "reason"], rows));
    let waiting = dead_letters::store::count_waiting(&rooms.pool).await?;
    eprintln!("{waiting} waiting");
    Ok(())
}

async fn show(rooms: &Rooms, id: i64) -> Result<(), Failure> {
    let letter = find(rooms, id).await?;
    println!("id        {}", letter.id);
    println!("failed at {}", letter.failed_at.to_rfc3339());
    println!("source    {}", letter.source);
    println!("position  {}", letter.position);
    println!("reason    {}", letter.reason);
    if let Some(at) = letter.replayed_at {
        println!("replayed  {}", at.to_rfc3339());
    }
    match CartMessage::decode(&letter.payload) {
        Ok(message) => println!("{message:#?}"),
        Err(error) => println!("{} bytes: {error}", letter.payload.len()),
    }
    Ok(())
}

async fn replay(rooms: &Rooms, ids: &[i64]) -> Result<(), Failure> {
    let letters = if ids.is_empty() {
        dead_letters::store::waiting(&rooms.pool, PAGE).await?
    } else {
        let mut letters = Vec::new();
        for id in ids {
            letters.push(find(rooms, *id).await?);
        }
        letters
    };
    let (mut done, mut failed) = (0, 0);
    for letter in &letters {
        if letter.source != cart_intake::SOURCE {
            eprintln!("{}: no way to replay `{}`", letter.id, letter.source);
            failed += 1;
            continue;
        }
        match rooms.intake.replay(letter).await {
            Ok(()) => done += 1,
            Err(error) => {
                eprintln!("{}: {error:#}", letter.id);
                failed += 1;
            }
        }
    }
    println!("{done} replayed, {failed} failed again");
    if failed > 0 {
        return Err(Failure::Failed(anyhow::anyhow!("{failed} dead letters remain")));
    }
    Ok(())
}

async fn find(rooms: &Rooms, id: i64) -> Result<DeadLetter, Failure> {
    let letter = dead_letters::store::get(&rooms.pool, id).await?;
    letter.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no dead letter {id}")))
}
