//! Mail against a real SMTP server and one that misbehaves; webhooks against endpoints that do.

mod commands;
mod desk;
mod endpoint;
mod endpoints;
mod looks;
mod maildev;
mod mails;
mod smtp;
mod smtp_faults;
mod webhooks;
mod whole;
mod workers;
