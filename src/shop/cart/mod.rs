//! The cart on paper: the message that carries lines over the stream, and the lines in Postgres.
//!
//! Owns the tables `cart_lines` and `cart_streams` and the names in the broker. Always true: of two
//! statements about a line, the one with the higher version stands, in whatever order they come.

pub mod message;
pub mod store;
pub mod stream;
pub mod version;
