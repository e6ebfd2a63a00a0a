mod histories;
mod model;
mod races;
mod rules;
pub(crate) mod support;
