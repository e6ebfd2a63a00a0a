//! The platform floor against real servers.

mod batcher;
mod broker;
mod cli;
mod config;
mod ops;
mod pipeline;
mod rabbit;
mod rabbit_killed;
mod supervisor;
