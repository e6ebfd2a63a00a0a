//! Sales, their products and their terms against real servers.

mod caches;
mod commands;
mod importing;
mod openings;
mod revisions;
mod running;
mod searching;
mod support;
