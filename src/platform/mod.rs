//! The outside world: configuration, servers, processes. No word of the shop.

pub mod recent;
