//! Who the shopper is: a signed token that the shopper holds, and nothing in any database.
//!
//! A token is the shopper's id and an HMAC-SHA256 over it, in URL-safe base64: 64 characters,
//! fit for a cookie and for a `Bearer` header. Whoever holds it is the shopper; it ends with the
//! secret it was signed by.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use uuid::Uuid;

use crate::kernel::ids::{Ids, ShopperId};

/// Bytes of the id, in front of the signature.
const ID_BYTES: usize = 16;
/// Signed in front of every id, so that a signature made with the same secret for another purpose
/// is no session.
const PURPOSE: &[u8] = b"stampede session 1\0";

/// A token that nobody here signed. It does not say why: a forger learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

/// There is no secret to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("at least one secret is needed to sign sessions")]
pub struct NoSecret;

/// Hands out and checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    newest: Hmac<Sha256>,
    /// No longer signed with, but still honoured: a secret is rotated without signing anybody out.
    older: Vec<Hmac<Sha256>>,
    ids: Ids,
}

impl Sessions {
    /// Signs with the first of `secrets` and honours all of them.
    pub fn new(
        secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
        ids: Ids,
    ) -> Result<Self, NoSecret> {
        let mut keys = secrets.into_iter().filter_map(|secret| {
            let secret = secret.as_ref();
            if secret.is_empty() { None } else { Hmac::new_from_slice(secret).ok() }
        });
        let newest = keys.next().ok_or(NoSecret)?;
        Ok(Self { newest, older: keys.collect(), ids })
    }

    /// A new shopper and the token that says so.
    #[must_use]
    pub fn issue(&self) -> (ShopperId, String) {
        let shopper = self.ids.shopper();
        let mut token = shopper.0.as_bytes().to_vec();
        token.extend_from_slice(&signing(&self.newest, token.as_slice()).finalize().into_bytes());
        (shopper, URL_SAFE_NO_PAD.encode(token))
    }

    /// The shopper whom one of the secrets signed this token for. Compared in constant time.
    pub fn verify(&self, token: &str) -> Result<ShopperId, InvalidToken> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
        let (id, signature) = bytes.split_at_checked(ID_BYTES).ok_or(InvalidToken)?;
        let signed = std::iter::once(&self.newest)
            .chain(&self.older)
            .any(|key| signing(key, id).verify_slice(signature).is_ok());
        if !signed {
            return Err(InvalidToken);
        }
        Uuid::from_slice(id).map(ShopperId).map_err(|_| InvalidToken)
    }
}

fn signing(key: &Hmac<Sha256>, id: &[u8]) -> Hmac<Sha256> {
    key.clone().chain_update(PURPOSE).chain_update(id)
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sessions(secrets: &[&str]) -> Sessions {
        Sessions::new(secrets, Ids::random()).unwrap()
    }

    #[test]
    fn a_token_names_its_shopper_until_its_secret_is_gone() {
        let (shopper, token) = sessions(&["old"]).issue();
        assert_eq!(token.len(), 64);
        assert_eq!(sessions(&["new", "old"]).verify(&token), Ok(shopper));
        assert_eq!(sessions(&["new"]).verify(&token), Err(InvalidToken));
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        assert!(Sessions::new([""; 0], Ids::random()).is_err());
        assert!(Sessions::new([""], Ids::random()).is_err());
    }

    #[test]
    fn a_truncated_or_padded_token_is_refused() {
        let sessions = sessions(&["secret"]);
        let (_, token) = sessions.issue();
        for bad in ["", "=", &token[..63], &token[..22], &format!("{token}A"), &format!("{token}=")]
        {
            assert_eq!(sessions.verify(bad), Err(InvalidToken), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_token_is_honoured(at in 0_usize..64, to in "[A-Za-z0-9_-]") {
            let sessions = sessions(&["secret"]);
            let (_, token) = sessions.issue();
            let mut forged = token.clone();
            forged.replace_range(at..=at, &to);
            prop_assume!(forged != token);
            prop_assert_eq!(sessions.verify(&forged), Err(InvalidToken));
        }
    }
}
