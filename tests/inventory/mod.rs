//! The stock: its scripts against a model, each of its rules, and the race for the last pair.

mod cart_rules;
mod changes;
mod feed;
mod histories;
mod history;
mod model;
mod races;
mod rules;
mod sagas;
mod steps;
pub(crate) mod support;
