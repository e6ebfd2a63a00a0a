//! `stampede`, `stampede serve` and `stampede work`

use super::{
    failure::Failure,
    process::{Process, Shape},
};
use crate::{
    app::App,
    platform::{config::Config, shutdown::Shutdown},
};

pub(super) async fn run(config: Config, shape: Shape) -> Result<(), Failure> {
    if shape.web {
        config.web.secrets()?;
    }
    let shutdown = Shutdown::new();
    shutdown.listen().map_err(Failure::failed)?;
    let app = App::build(config).map_err(Failure::failed)?;
    let process = Process::start(&app, &shape, &shutdown).map_err(Failure::failed)?;
    if let Some(web) = process.web {
        tracing::info!("serving on http://{web}");
    }
    tracing::info!("metrics and health on http://{}", process.ops);
    process.run().await.map_err(Failure::failed)
}
