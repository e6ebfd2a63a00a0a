//! The rooms: each owns its tables, its keys and its rules.

pub mod inventory;
