//! One binary for every test that needs more than a unit: it links once.

mod harness;
mod inventory;
mod platform;
