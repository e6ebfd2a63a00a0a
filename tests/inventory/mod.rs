mod histories;
mod model;
mod rules;
mod support;
