//! What axe has to say of a page as it stands.

use std::{path::PathBuf, sync::LazyLock};

use serde_json::Value;

use super::browser::Browser;

static AXE: LazyLock<String> = LazyLock::new(|| {
    let file = ".local/axe/node_modules/axe-core/axe.min.js";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(file).expect("axe-core: `make test` installs it")
});

/// All that it counts among WCAG 2.2 AA and its own best practices.
const RUN: &str = "const done = arguments[arguments.length - 1];
    axe.run().then(
        ({ violations }) => done(violations.flatMap(({ id, help, nodes }) =>
            nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`))),
        (error) => done([String(error)]));";

impl Browser {
    /// Checks that axe finds nothing.
    pub(super) async fn is_accessible(&self, name: &str) {
        let known = "return typeof axe === 'object'";
        if self.driver.execute(known, Vec::new()).await.unwrap() != Value::Bool(true) {
            self.driver.execute(&AXE, Vec::new()).await.unwrap();
        }
        let found = self.driver.execute_async(RUN, Vec::new()).await.unwrap();
        let found: Vec<&str> = found.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(found.is_empty(), "{name}: {}", found.join("\n\n"));
    }
}
