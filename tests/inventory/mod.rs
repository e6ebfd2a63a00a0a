mod histories;
mod model;
mod races;
mod rules;
mod support;
