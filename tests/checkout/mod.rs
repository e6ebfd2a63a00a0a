//! The checkout against real Redis and Postgres: what it does, what it survives.

mod buying;
mod check;
mod dying;
mod keys;
mod opening;
mod shop;
