//! The flows: the only code that writes through more than one room. A flow's transaction and its
//! undo have one address, here.

pub mod sale_terms;
