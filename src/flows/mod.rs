//! What writes through more than one room. Each flow is one address for its order of steps, its
//! transaction and its undo.

pub mod cart_intake;
pub mod checkout;
