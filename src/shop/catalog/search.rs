//! Finding products by what people type.

use std::str::FromStr;

use sqlx::{PgPool, query, query_scalar};
use thiserror::Error;

use crate::kernel::ids::{ProductSlug, SaleId};

/// Characters of a search; nobody types more for a shoe.
const LONGEST: usize = 64;
/// Products found at most: more than anybody looks through.
const MOST: i64 = 60;
/// How alike a title must look: `runer` is 0.63 like `Runner`, `lantrn` 0.5 like `Lantern`.
const ALIKE: &str = "0.4";

/// What is looked for: lower case, words apart by one blank, at least one and 64 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words(String);

/// Why there is nothing to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidWords {
    /// Neither a letter nor a digit in it.
    #[error("at least one letter or digit")]
    Empty,
    /// More than 64 characters.
    #[error("at most {LONGEST} characters")]
    TooLong,
}

/// A product that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is sold.
    pub sale: SaleId,
    /// Its name there.
    pub product: ProductSlug,
}

impl Words {
    /// As they were understood.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every word, or the beginning of one, as Postgres asks for them.
    fn prefixes(&self) -> String {
        let words: Vec<_> = self.0.split(' ').map(|word| format!("{word}:*")).collect();
        words.join(" & ")
    }
}

impl FromStr for Words {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Self, InvalidWords> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(InvalidWords::TooLong);
        }
        let words: Vec<_> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        if words.is_empty() { Err(InvalidWords::Empty) } else { Ok(Self(words.join(" "))) }
    }
}

/// Products of these sales, the best match first: those with all the words before those that only
/// look alike.
pub(super) async fn search(
    pool: &PgPool,
    sales: &[SaleId],
    words: &Words,
) -> sqlx::Result<Vec<Found>> {
    let sales: Vec<i64> = sales.iter().map(|sale| sale.0).collect();
    let mut tx = pool.begin().await?;
    query_scalar!("SELECT set_config('pg_trgm.word_similarity_threshold', $1, true)", ALIKE)
        .fetch_one(&mut *tx)
        .await?;
    let rows = query!(
        "SELECT sale_id, slug FROM products, to_tsquery('simple', $2) AS wanted
         WHERE sale_id = ANY($1) AND (words @@ wanted OR title %> $3)
         ORDER BY words @@ wanted DESC, ts_rank(words, wanted) DESC,
                  word_similarity($3, title) DESC, sale_id, position, id
         LIMIT $4",
        &sales,
        words.prefixes(),
        words.as_str(),
        MOST
    );
    let rows = rows.fetch_all(&mut *tx).await?;
    tx.rollback().await?;
    rows.into_iter()
        .map(|row| {
            let product = row.slug.parse();
            let product = product.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok(Found { sale: SaleId(row.sale_id), product })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let of = |text: &str| text.parse::<Words>().map(|words| words.0);
        assert_eq!(of("  Runner\tONE! "), Ok("runner one".to_owned()));
        assert_eq!(of("a:* & !b | (c) \\ '"), Ok("a b c".to_owned()));
        assert_eq!(of("Ünïcode 靴"), Ok("ünïcode 靴".to_owned()));
        assert_eq!(of(" -- "), Err(InvalidWords::Empty));
        assert_eq!(of(&"x".repeat(64)), Ok("x".repeat(64)));
        assert_eq!(of(&"x".repeat(65)), Err(InvalidWords::TooLong));
        assert_eq!("run sho".parse::<Words>().unwrap().prefixes(), "run:* & sho:*");
    }
}
