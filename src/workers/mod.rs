//! The loops. Each is shallow: look at what is to be done, call a verb, wait.
//!
//! A loop rides out what passes (a server away, a lock held elsewhere) and logs it once a change;
//! it ends only when the process leaves.

pub mod cart_writer;
pub mod checkout_resumer;
pub mod hold_expirer;
pub mod stock_flusher;
pub mod stock_keeper;
