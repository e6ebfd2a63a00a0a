//! The outside world, with no word of the shop.

pub mod redis;
