//! Values without I/O: what every floor above speaks in.
//!
//! Each type is parsed once, at the door, and is valid ever after.

pub mod clock;
pub mod colour;
pub mod ids;
pub mod line;
pub mod money;
pub mod quantity;
pub mod version;
