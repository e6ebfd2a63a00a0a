//! One binary for every test that needs more than a unit: it links once.

mod catalog;
mod platform;
