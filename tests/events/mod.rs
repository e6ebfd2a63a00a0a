//! Events on their way from the outbox to consumers, and what could not be taken over.

mod consumers;
mod facts;
mod golden;
mod letters;
mod measure;
mod relay;
mod support;
mod wire;
