//! One binary for every test that needs more than a unit: it links once.

mod checkout;
mod harness;
mod inventory;
mod platform;
