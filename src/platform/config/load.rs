//! Laying the environment over the defaults.

use std::env;

use thiserror::Error;
use toml::{Table, Value};

use super::{Config, check};

const DEFAULTS: &str = include_str!("default.toml");
const PREFIX: &str = "STAMPEDE_";

/// Names that others give to our settings, read as the variable beside them.
const ALIASES: [(&str, &str); 3] = [
    ("DATABASE_URL", "STAMPEDE_POSTGRES__URL"),
    ("REDIS_URL", "STAMPEDE_REDIS__URL"),
    ("AMQP_URL", "STAMPEDE_RABBIT__URL"),
];

/// Why there is no configuration. Values are never repeated where they may be secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A variable with our prefix that is no setting; `hint` names the nearest one.
    #[error("{variable} is not a setting of stampede{hint} (`stampede check-config` lists them)")]
    Unknown {
        /// As found in the environment.
        variable: String,
        /// `; did you mean …?`, or empty.
        hint: String,
    },
    /// A value of the wrong kind or out of range.
    #[error("{variable} (setting `{key}`): {problem}")]
    Invalid {
        /// As found in the environment.
        variable: String,
        /// As in `default.toml`, section and name.
        key: String,
        /// What was expected.
        problem: String,
    },
    /// Settings that are each right, but do not go together.
    #[error("{0}")]
    Conflict(String),
    /// A variable of ours that is not UTF-8.
    #[error("{variable} is not valid UTF-8")]
    NotText {
        /// As found in the environment.
        variable: String,
    },
    /// Serving without a secret is refused.
    #[error(
        "STAMPEDE_WEB__SECRET (setting `web.secret`) is not set. It signs the shoppers' tokens: \
         give it at least 32 random bytes, for instance from `openssl rand -hex 32`"
    )]
    NoSecret,
    /// The file inside the binary is broken; a test keeps this from happening.
    #[error("default.toml: {0}")]
    Defaults(#[source] toml::de::Error),
}

/// Our variables of the process.
pub(super) fn process_variables() -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with(PREFIX) && !ALIASES.iter().any(|(alias, _)| *alias == name) {
            continue;
        }
        let value =
            value.into_string().map_err(|_| ConfigError::NotText { variable: name.to_owned() })?;
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// One setting found in the environment.
struct Override {
    variable: String,
    section: String,
    name: String,
    text: String,
}

pub(super) fn load(variables: Vec<(String, String)>) -> Result<Config, ConfigError> {
    let mut table: Table = toml::from_str(DEFAULTS).map_err(ConfigError::Defaults)?;
    let mut config = table.clone().try_into().map_err(ConfigError::Defaults)?;
    // One after the other, and read after each, so that an error is known to be this one's.
    for found in overrides(&table, variables)? {
        let key = format!("{}.{}", found.section, found.name);
        let invalid = |problem| ConfigError::Invalid {
            variable: found.variable.clone(),
            key: key.clone(),
            problem,
        };
        if let Some(place) = place(&mut table, &found.section, &found.name) {
            *place = like(place, &found.text).map_err(invalid)?;
        }
        config = table.clone().try_into().map_err(|error| invalid(problem_of(&error)))?;
        check::range(&config, &key).map_err(invalid)?;
    }
    check::together(&config).map_err(ConfigError::Conflict)?;
    Ok(config)
}

/// What the environment sets, aliases first, so that our own names win over them.
fn overrides(
    defaults: &Table,
    variables: Vec<(String, String)>,
) -> Result<Vec<Override>, ConfigError> {
    let mut found = Vec::new();
    for (variable, text) in variables.into_iter().filter(|(_, text)| !text.is_empty()) {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == variable);
        let ours = alias.map_or(variable.as_str(), |(_, ours)| ours);
        let Some(setting) = ours.strip_prefix(PREFIX) else { continue };
        let (section, name) = setting
            .split_once("__")
            .map(|(section, name)| (section.to_ascii_lowercase(), name.to_ascii_lowercase()))
            .filter(|(section, name)| {
                ours == variable_of(section, name) && has(defaults, section, name)
            })
            .ok_or_else(|| ConfigError::Unknown {
                hint: nearest(defaults, ours),
                variable: variable.clone(),
            })?;
        found.push((alias.is_none(), Override { variable, section, name, text }));
    }
    found.sort_by_key(|(ours, _)| *ours);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// The variable of a setting.
fn variable_of(section: &str, name: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_ascii_uppercase(), name.to_ascii_uppercase())
}

fn has(table: &Table, section: &str, name: &str) -> bool {
    table.get(section).and_then(|section| section.get(name)).is_some()
}

fn place<'t>(table: &'t mut Table, section: &str, name: &str) -> Option<&'t mut Value> {
    table.get_mut(section)?.get_mut(name)
}

/// `text` as a value of the kind that the default has.
fn like(default: &Value, text: &str) -> Result<Value, String> {
    match default {
        Value::Integer(_) => {
            let digits = text.trim().replace('_', "");
            let number = digits.parse().map(Value::Integer);
            number.map_err(|_| format!("expected a whole number, found `{text}`"))
        }
        Value::Boolean(_) => {
            let switch = text.trim().parse().map(Value::Boolean);
            switch.map_err(|_| format!("expected `true` or `false`, found `{text}`"))
        }
        _ => Ok(Value::String(text.trim().to_owned())),
    }
}

fn problem_of(error: &toml::de::Error) -> String {
    error.message().trim().to_owned()
}

/// ` ; did you mean …?` when a setting is near enough to be a slip of the finger.
fn nearest(defaults: &Table, variable: &str) -> String {
    let settings = defaults.iter().flat_map(|(section, content)| {
        let names = content.as_table().into_iter().flat_map(Table::keys);
        names.map(move |name| variable_of(section, name))
    });
    settings
        .map(|setting| (strsim::damerau_levenshtein(&setting, variable), setting))
        .min()
        .filter(|(distance, setting)| *distance <= setting.len() / 4)
        .map(|(_, setting)| format!("; did you mean {setting}?"))
        .unwrap_or_default()
}
