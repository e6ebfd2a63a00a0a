//! The JSON API, one file a resource. A handler extracts, parses, calls one verb and presents.

pub mod cart;
pub mod checkout;
pub mod orders;
pub mod sales;
pub mod session;
pub mod stock;

use utoipa::IntoParams;

/// A sale's URL, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SalePath {
    /// The sale's slug.
    #[param(pattern = "^[a-z0-9-]{1,64}$", example = "demo")]
    pub sale: String,
}

/// A cart line's URL, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LinePath {
    /// The sale's slug.
    #[param(pattern = "^[a-z0-9-]{1,64}$", example = "demo")]
    pub sale: String,
    /// The SKU.
    #[param(pattern = "^[A-Za-z0-9._-]{1,40}$", example = "GALE-42")]
    pub sku: String,
}

/// An order's URL, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OrderPath {
    /// The order's id.
    #[param(pattern = "^ord_[0-9a-f]{32}$")]
    pub order: String,
}
