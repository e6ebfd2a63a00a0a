//! The cart message: how lines travel over the stream.
//!
//! Encoded with *postcard*: a tagged enum (one byte), so that versions can stand beside each
//! other in one stream, and varints without field names. SKUs stand once a message; sequence
//! numbers and expiries are differences to the first line's. A line of a busy batch takes about 20
//! bytes, 16 of them the shopper; the same in JSON takes over 150.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::kernel::{
    clock::{Timestamp, from_millis},
    ids::{SaleId, ShopperId, Sku},
    line::CartLine,
    quantity::Quantity,
    version::{Epoch, Seq, Version},
};

/// What the cart stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartMessage {
    /// Lines of one sale as one epoch set them.
    Lines {
        /// Whose lines they are.
        sale: SaleId,
        /// When it was published, for the writer's lag.
        sent: Timestamp,
        /// Each line whole, with its version; all of one epoch.
        lines: Vec<CartLine>,
    },
    /// Everything confirmed before this message was published stands before it in the stream.
    Barrier {
        /// The sale that is being opened.
        sale: SaleId,
        /// Its bucket.
        bucket: u16,
        /// The epoch that waits for it.
        epoch: Epoch,
    },
}

/// Bytes that are no message. The text goes into the dead letter.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Not the encoding, or a version of it that this program does not know.
    #[error("not a cart message: {0}")]
    Encoding(#[from] postcard::Error),
    /// The encoding holds, but a value does not.
    #[error("the cart message has an invalid {0}")]
    Value(&'static str),
}

/// Never reordered: the position of a variant is its tag on the wire.
#[derive(Serialize, Deserialize)]
enum Wire {
    LinesV1 {
        sale: i64,
        sent: i64,
        epoch: i64,
        base: Base,
        skus: Vec<String>,
        lines: Vec<WireLine>,
    },
    BarrierV1 {
        sale: i64,
        bucket: u16,
        epoch: i64,
    },
}

#[derive(Serialize, Deserialize, Default, Clone, Copy)]
struct Base {
    seq: i64,
    expires: i64,
}

#[derive(Serialize, Deserialize)]
struct WireLine {
    shopper: [u8; 16],
    sku: u32,
    quantity: u32,
    seq: i64,
    expires: Option<i64>,
}

impl CartMessage {
    /// The message as bytes; `None` when it is larger than any batch (never in practice).
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(&self.to_wire()?).ok()
    }

    /// Reads a message; what follows it, or does not fit its types, is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (wire, rest) = postcard::take_from_bytes::<Wire>(bytes)?;
        if !rest.is_empty() {
            return Err(DecodeError::Value("end"));
        }
        Self::from_wire(wire)
    }

    fn to_wire(&self) -> Option<Wire> {
        let (sale, sent, lines) = match self {
            Self::Barrier { sale, bucket, epoch } => {
                return Some(Wire::BarrierV1 { sale: sale.0, bucket: *bucket, epoch: epoch.0 });
            }
            Self::Lines { sale, sent, lines } => (sale.0, sent.timestamp_millis(), lines),
        };
        let first = lines.first();
        let base = Base {
            seq: first.map_or(0, |line| line.version.seq.0),
            expires: lines
                .iter()
                .find_map(|line| line.expires_at)
                .map_or(0, |at| at.timestamp_millis()),
        };
        let mut skus: Vec<String> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let mut wired = Vec::with_capacity(lines.len());
        for line in lines {
            let next = u32::try_from(skus.len()).ok()?;
            let sku = *known.entry(&line.sku).or_insert_with(|| {
                skus.push(line.sku.to_string());
                next
            });
            wired.push(WireLine {
                shopper: line.shopper.0.into_bytes(),
                sku,
                quantity: line.quantity.get(),
                seq: line.version.seq.0 - base.seq,
                expires: line.expires_at.map(|at| at.timestamp_millis() - base.expires),
            });
        }
        let epoch = first.map_or(0, |line| line.version.epoch.0);
        Some(Wire::LinesV1 { sale, sent, epoch, base, skus, lines: wired })
    }

    fn from_wire(wire: Wire) -> Result<Self, DecodeError> {
        let (sale, sent, epoch, base, skus, wired) = match wire {
            Wire::BarrierV1 { sale, bucket, epoch } => {
                return Ok(Self::Barrier { sale: SaleId(sale), bucket, epoch: Epoch(epoch) });
            }
            Wire::LinesV1 { sale, sent, epoch, base, skus, lines } => {
                (sale, sent, epoch, base, skus, lines)
            }
        };
        let skus: Vec<Sku> = skus
            .iter()
            .map(|sku| sku.parse().map_err(|_| DecodeError::Value("SKU")))
            .collect::<Result<_, _>>()?;
        let line = |line: WireLine| {
            let sku = usize::try_from(line.sku).ok().and_then(|at| skus.get(at));
            let seq = base.seq.checked_add(line.seq).ok_or(DecodeError::Value("seq"))?;
            let expires = match line.expires {
                Some(after) => {
                    Some(base.expires.checked_add(after).ok_or(DecodeError::Value("expiry"))?)
                }
                None => None,
            };
            Ok(CartLine {
                shopper: ShopperId(Uuid::from_bytes(line.shopper)),
                sku: sku.ok_or(DecodeError::Value("SKU"))?.clone(),
                quantity: Quantity::try_from(i64::from(line.quantity))
                    .map_err(|_| DecodeError::Value("quantity"))?,
                expires_at: expires.map(from_millis),
                version: Version { epoch: Epoch(epoch), seq: Seq(seq) },
            })
        };
        let lines = wired.into_iter().map(line).collect::<Result<_, DecodeError>>()?;
        Ok(Self::Lines { sale: SaleId(sale), sent: from_millis(sent), lines })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(shopper: u128, sku: u8, quantity: i64, expires: Option<i64>, seq: i64) -> CartLine {
        CartLine {
            shopper: ShopperId(Uuid::from_u128(shopper)),
            sku: format!("RUN1-{sku}").parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            expires_at: expires.map(from_millis),
            version: Version { epoch: Epoch(1_700_000_000_000), seq: Seq(seq) },
        }
    }

    #[test]
    fn a_line_of_a_busy_batch_takes_about_twenty_bytes() {
        let start = 1_790_000_000_000;
        let lines = (0..512_i64)
            .map(|n: i64| {
                line(
                    u128::MAX / (1 + u128::from(n.unsigned_abs())),
                    42,
                    1,
                    Some(start + n / 8),
                    90_000 + n,
                )
            })
            .collect();
        let bytes = CartMessage::Lines { sale: SaleId(7), sent: from_millis(start), lines }
            .encode()
            .unwrap();
        assert!(bytes.len() < 512 * 24, "{} bytes a line", bytes.len() / 512);
    }

    proptest! {
        #[test]
        fn messages_read_back(
            lines in prop::collection::vec(
                (any::<u128>(), any::<u8>(), 0..i64::from(Quantity::MAX),
                 prop::option::of(0..4_000_000_000_000_i64), 0..i64::MAX / 4),
                0..50,
            )
        ) {
            let lines: Vec<_> =
                lines.into_iter().map(|(a, b, c, d, e)| line(a, b, c, d, e)).collect();
            let message = CartMessage::Lines { sale: SaleId(3), sent: from_millis(1), lines };
            let read = CartMessage::decode(&message.encode().unwrap()).unwrap();
            prop_assert_eq!(read, message);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = CartMessage::decode(&bytes);
        }

        #[test]
        fn a_truncated_message_is_refused(cut in 1..20_usize) {
            let message =
                CartMessage::Lines { sale: SaleId(3), sent: from_millis(1), lines: vec![line(9, 1, 2, Some(5), 6)] };
            let bytes = message.encode().unwrap();
            prop_assert!(CartMessage::decode(&bytes[..bytes.len() - cut.min(bytes.len())]).is_err());
        }
    }
}
