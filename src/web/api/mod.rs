//! The JSON API, one file a resource. A handler extracts, parses, calls one verb and presents.

pub mod cart;
pub mod checkout;
pub mod orders;
pub mod sales;
pub mod session;
pub mod stock;
