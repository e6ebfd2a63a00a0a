//! Signatures of what Stripe sends by itself.
//!
//! `Stripe-Signature: t=SECONDS,v1=HEX[,v1=HEX…]`, each an HMAC-SHA-256 of `SECONDS.body` over the
//! raw bytes. While a secret is rotated there are several, of theirs and of ours: one that fits is
//! enough. What is older than the tolerance is refused, so that a copy is of no use for long; within
//! it, a copy is stored once, for it has the same id.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::{kernel::clock::Timestamp, platform::secret::Secret};

/// How far their clock may be from ours; Stripe's own libraries take the same.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unbelieved {
    /// There is no signature, or what stands there is none.
    #[error("no signature")]
    Missing,
    /// It is too old, or of the future.
    #[error("the signature is not of now")]
    OutOfTime,
    /// No secret of ours made it.
    #[error("the signature is not of these bytes")]
    Wrong,
}

/// Whether `body` was sent by somebody who knows one of `secrets`, lately.
pub fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), Unbelieved> {
    let header = header.ok_or(Unbelieved::Missing)?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").ok_or(Unbelieved::Missing)?.1;
    let seconds: i64 = time.parse().map_err(|_| Unbelieved::Missing)?;
    let age = now.timestamp().checked_sub(seconds).ok_or(Unbelieved::OutOfTime)?;
    if age.checked_abs().is_none_or(|age| age > TOLERANCE.num_seconds()) {
        return Err(Unbelieved::OutOfTime);
    }
    let given: Vec<Vec<u8>> =
        parts().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| bytes(hex)).collect();
    let fits = |secret: &Secret| {
        given.iter().any(|signature| {
            mac(secret, time, body).is_some_and(|mac| mac.verify_slice(signature).is_ok())
        })
    };
    if secrets.iter().any(fits) { Ok(()) } else { Err(Unbelieved::Wrong) }
}

fn mac(secret: &Secret, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::kernel::clock::from_millis;

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let mac = mac(&Secret::new(secret), &time.to_string(), body).unwrap();
        mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    #[test]
    fn only_fresh_signatures_of_these_bytes_are_believed() {
        let (old, new) = ("whsec_old", "whsec_new");
        let secrets = [Secret::new(new), Secret::new(old)];
        let now = from_millis(1_800_000_000_000);
        let t = now.timestamp();
        let check = |header: &str, body: &[u8]| verify(Some(header), body, &secrets, now);
        for secret in [old, new] {
            let header = format!("t={t},v1={}", sign(secret, t, b"{}"));
            assert_eq!(check(&header, b"{}"), Ok(()));
            assert_eq!(check(&header, b"{ }"), Err(Unbelieved::Wrong));
        }
        // several of theirs, and a scheme that we do not know
        let both = format!("t={t},v0=00,v1={},v1={}", "0".repeat(64), sign(new, t, b"{}"));
        assert_eq!(check(&both, b"{}"), Ok(()));
        let stranger = format!("t={t},v1={}", sign("whsec_other", t, b"{}"));
        assert_eq!(check(&stranger, b"{}"), Err(Unbelieved::Wrong));
        for shift in [-301, 301, i64::MAX - t] {
            let at = t + shift;
            let header = format!("t={at},v1={}", sign(new, at, b"{}"));
            assert_eq!(check(&header, b"{}"), Err(Unbelieved::OutOfTime));
        }
        for odd in ["", "t=", "t=now,v1=00", "v1=00", ",,,", "t=-9223372036854775808"] {
            assert!(check(odd, b"{}").is_err(), "{odd:?}");
        }
        assert_eq!(verify(None, b"{}", &secrets, now), Err(Unbelieved::Missing));
        let unsigned = format!("t={t},v1=,v1=zz,v1={}", "é".repeat(32));
        assert_eq!(check(&unsigned, b"{}"), Err(Unbelieved::Wrong));
        assert_eq!(verify(Some(&format!("t={t}")), b"{}", &[], now), Err(Unbelieved::Wrong));
    }
}
