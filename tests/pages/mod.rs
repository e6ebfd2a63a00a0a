//! The pages, in a real browser with and without a script, and their forms as a program sees them.
//! Screenshots go to `target/screenshots`.

mod axe;
pub(crate) mod browser;
mod buying;
mod card;
mod forms;
mod head;
mod hostile;
mod moving;
mod report;
mod states;
