//! What writes through more than one room. Each flow is one address for its order of steps, its
//! transaction and its undo.

pub mod cart_intake;
pub mod cart_lines;
pub mod checkout;
pub mod opening;
pub mod sale_terms;
pub mod stock_flush;

use std::time::Duration;

use crate::shop::{
    catalog::Product,
    inventory::{SkuTerms, Terms},
    sales::Sale,
};
