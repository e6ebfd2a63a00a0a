//! What the commands that change a sale's terms have in common.

use std::path::Path;

use super::failure::Failure;
use crate::{
    flows::sale_terms::{SaleTermsError, file::FileErrors},
    kernel::ids::SaleSlug,
};

/// A file with errors.
pub(super) fn invalid(path: &Path, errors: &FileErrors) -> Failure {
    Failure::failed(anyhow::anyhow!("{}: nothing was changed\n{errors}", path.display()))
}

/// What went wrong with `sale`, maybe because of the file at `path`.
pub(super) fn failure(error: SaleTermsError, path: &Path, sale: &SaleSlug) -> Failure {
    match error {
        SaleTermsError::Invalid(errors) => invalid(path, &errors),
        SaleTermsError::Postgres(error) => error.into(),
        error @ (SaleTermsError::StockAway(_) | SaleTermsError::Contended) => {
            Failure::Unavailable(anyhow::anyhow!("{sale}: {error}"))
        }
        error @ (SaleTermsError::NotFound | SaleTermsError::Unexpected(_)) => {
            Failure::failed(anyhow::anyhow!("{sale}: {error}"))
        }
    }
}
