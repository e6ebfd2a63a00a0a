//! A sale's totals and terms: set from a file, switched on and off, kept the same in Postgres and
//! Redis.
pub mod file;
