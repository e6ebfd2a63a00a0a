//! One way to do TLS, for whatever speaks it.

use std::sync::Once;

/// Makes `ring` the process' cryptography. Clients that speak TLS call this before they are built;
/// more than once does nothing.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's choice, made before, stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
