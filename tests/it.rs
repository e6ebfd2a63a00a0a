//! One binary for every test that needs more than a unit: it links once.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests say what they expect by panicking"
)]

mod api;
mod catalog;
mod checkout;
mod events;
mod faults;
mod harness;
mod inventory;
mod notify;
mod numbers;
mod pages;
mod platform;
mod protocol;
