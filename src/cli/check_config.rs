//! `stampede check-config`

use super::failure::Failure;
use crate::platform::config::Config;

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    print!("{}", config.to_masked_toml().map_err(Failure::failed)?);
    // Not an error of the settings as such: migrations and audits need no secret.
    if let Err(missing) = config.web.secrets() {
        eprintln!("note: nothing can be served with this: {missing}");
    }
    Ok(())
}
