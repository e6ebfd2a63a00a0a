//! The pages, rendered here, so that the shop works without a script; with one, countdowns and
//! stock move by themselves.
//!
//! Forms post to the page they stand on. What succeeds is answered with a redirect; what does not,
//! with the same page and what went wrong on it. Public pages hold nothing of the shopper.

mod accent;
mod card;
pub mod cart;
pub mod checkout;
pub mod files;
pub mod home;
pub mod order;
pub mod problem;
pub mod product;
pub mod robots;
pub mod sale;
mod sale_head;
pub mod search;
mod share;
mod view;
mod words;
