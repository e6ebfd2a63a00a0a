//! The rooms of the shop. Each owns its tables, its keys and its rules, returns values and never
//! calls back; what concerns two of them is a flow.

pub mod catalog;
pub mod inventory;
pub mod sales;
