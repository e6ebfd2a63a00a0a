//! The rooms of the shop. Each owns its tables, its keys and its rules, and none knows another.

pub mod accounts;
pub mod cart;
pub mod catalog;
pub mod dead_letters;
pub mod events;
pub mod inventory;
pub mod mail;
pub mod orders;
pub mod payments;
pub mod refunds;
pub mod sales;
pub mod statistics;
pub mod webhooks;
