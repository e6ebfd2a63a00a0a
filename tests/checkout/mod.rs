//! The checkout against real Redis and Postgres: what it does, what it survives.

#![expect(clippy::panic, reason = "what only tests reach may panic")]

mod buying;
mod dying;
mod keys;
mod opening;
mod shop;
