//! The page for whatever could not be shown.

use askama::Template;

use super::files::{SCRIPT, STYLE};
use crate::web::error::Problem;

#[derive(Template)]
#[template(path = "problem.html", config = "src/web/pages/askama.toml")]
struct ProblemPage<'a> {
    status: u16,
    title: &'static str,
    detail: &'a str,
    /// Seconds after which the page asks again by itself; 0 for never.
    refresh: u64,
}

/// The page. It asks again by itself when waiting helps.
#[must_use]
pub fn page(problem: &Problem) -> String {
    let page = ProblemPage {
        status: problem.code().status().as_u16(),
        title: problem.code().title(),
        detail: problem.detail(),
        refresh: problem.retry_seconds().unwrap_or(0),
    };
    page.render().unwrap_or_default()
}
