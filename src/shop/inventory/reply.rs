//! The scripts' answers, decoded in one place: `{code, Redis' time in ms, …}`.

use std::{fmt::Display, str::FromStr, vec};

use redis::Value;
use uuid::Uuid;

use super::model::InventoryError;
use crate::kernel::{
    clock::{Timestamp, from_millis},
    ids::ShopperId,
    quantity::Quantity,
};

macro_rules! codes {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// What a script, or one line of a claim, came to. The numbers are those of
        /// `lua/prelude.lua`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $($name),*
        }

        impl Code {
            fn from_number(number: i64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    Done = 0, Closed = 1, Late = 2, Stale = 3, Overtaken = 4, BelowCommitted = 5,
    CartChanged = 10, CartEmpty = 11, HoldExpired = 12, InProgress = 13, Gone = 14,
    Created = 20, Raised = 21, Lowered = 22, Stood = 23, Nothing = 24,
    SoldOut = 30, LimitReached = 31, NotStarted = 32, Ended = 33, Paused = 34, UnknownSku = 35,
}

/// An answer of a script that ran.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: Code,
    pub(super) now: Timestamp,
    rest: Fields,
}

impl Reply {
    /// The answer, whatever it says.
    pub(super) fn decode(value: Value) -> Result<Self, InventoryError> {
        let mut rest = Fields::of(value)?;
        let code = rest.code()?;
        let now = from_millis(rest.int()?);
        Ok(Self { code, now, rest })
    }

    /// What follows, unless the script refused to run.
    pub(super) fn open(self) -> Result<(Code, Fields), InventoryError> {
        match self.code {
            Code::Closed => Err(InventoryError::Closed),
            Code::Late => Err(InventoryError::Late),
            code => Ok((code, self.rest)),
        }
    }

    /// What follows the code `Done`.
    pub(super) fn done(self) -> Result<Fields, InventoryError> {
        match self.open()? {
            (Code::Done, rest) => Ok(rest),
            (code, _) => Err(unexpected(&format!("{code:?}"))),
        }
    }
}

/// Values in order.
#[derive(Debug)]
pub(super) struct Fields(vec::IntoIter<Value>);

impl Fields {
    pub(super) fn of(value: Value) -> Result<Self, InventoryError> {
        match value {
            Value::Array(values) => Ok(Self(values.into_iter())),
            other => Err(unexpected(&format!("reply {other:?}"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn value(&mut self) -> Result<Value, InventoryError> {
        self.0.next().ok_or_else(|| unexpected(&"end of a reply"))
    }

    /// A nested array.
    pub(super) fn fields(&mut self) -> Result<Self, InventoryError> {
        Self::of(self.value()?)
    }

    pub(super) fn int(&mut self) -> Result<i64, InventoryError> {
        match self.value()? {
            Value::Int(number) => Ok(number),
            other => parse(&text_of(other)?),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, InventoryError> {
        text_of(self.value()?)
    }

    /// A text that parses.
    pub(super) fn parse<T: FromStr>(&mut self) -> Result<T, InventoryError> {
        parse(&self.text()?)
    }

    pub(super) fn shopper(&mut self) -> Result<ShopperId, InventoryError> {
        shopper(&self.text()?)
    }

    pub(super) fn code(&mut self) -> Result<Code, InventoryError> {
        let number = self.int()?;
        Code::from_number(number).ok_or_else(|| unexpected(&format!("code {number}")))
    }

    /// An instant in milliseconds; 0 for none.
    pub(super) fn instant(&mut self) -> Result<Option<Timestamp>, InventoryError> {
        let millis = self.int()?;
        Ok((millis > 0).then(|| from_millis(millis)))
    }
}

fn text_of(value: Value) -> Result<String, InventoryError> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| unexpected(&"bytes that are no text"))
        }
        Value::SimpleString(text) => Ok(text),
        other => Err(unexpected(&format!("value {other:?}"))),
    }
}

/// Reads a text, or says what it was.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, InventoryError> {
    text.parse().map_err(|_| unexpected(&format!("value {text:?}")))
}

/// Reads a shopper's 32 hexadecimal digits.
pub(super) fn shopper(hex: &str) -> Result<ShopperId, InventoryError> {
    let id = Uuid::try_parse(hex).map_err(|_| unexpected(&format!("shopper {hex:?}")))?;
    Ok(ShopperId(id))
}

/// A count of units.
pub(super) fn quantity(count: i64) -> Result<Quantity, InventoryError> {
    Quantity::try_from(count).map_err(|_| unexpected(&format!("quantity {count}")))
}

pub(super) fn unexpected(what: &impl Display) -> InventoryError {
    InventoryError::Unexpected(what.to_string())
}
