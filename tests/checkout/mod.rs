//! The checkout against real Redis and Postgres: what it does, what it survives.

mod buying;
mod check;
mod commands;
mod dying;
mod every_step;
mod keys;
mod opening;
mod providers;
mod sale;
mod schedules;
mod shop;
pub(crate) mod stripe;
