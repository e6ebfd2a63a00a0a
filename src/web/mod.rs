//! The doors that are reached by HTTP.

pub mod ops;
