//! Stampede: a flash-sale storefront that sells every unit once.
//!
//! The house has floors; imports point downward only, and the rooms of a floor never meet
//! (`tests/tidy.rs` proves both). In reading order:
//!
//! - [`kernel`]: values without I/O.
//! - [`platform`]: the outside world, with no word of the shop.
//! - [`shop`]: the rooms; each owns its tables, its keys and its rules.
//! - [`flows`]: the only code that writes through more than one room.
//! - [`app`]: every room built once from the configuration.
//! - [`web`] and [`workers`]: the doors; they decode, call one verb and present.
//! - [`cli`]: the commands.

pub mod app;
pub mod cli;

pub mod flows;
pub mod kernel;
pub mod platform;
pub mod shop;
pub mod web;
pub mod workers;
