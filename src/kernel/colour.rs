//! Colours, and how well one is read on another.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A colour of the screen: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour([u8; 3]);

/// Text that is no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a colour of six hexadecimal digits such as \"#b3370a\"")]
pub struct InvalidColour;

/// Contrast from which on text is well read, by the accessibility guidelines (WCAG 2.2, 1.4.3).
pub const LEGIBLE: f64 = 4.5;

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Of red, green and blue.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// The six digits alone, as a file's name holds them.
    #[must_use]
    pub fn digits(self) -> String {
        let [red, green, blue] = self.0;
        format!("{red:02x}{green:02x}{blue:02x}")
    }

    /// How well one is read on the other: from 1, not at all, to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Black or white, whichever is read better on this. It is always [`LEGIBLE`].
    #[must_use]
    pub fn ink(self) -> Self {
        if self.contrast(Self::BLACK) > self.contrast(Self::WHITE) {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }

    /// The nearest shade of it, towards `end`, that is legible on every one of `grounds`.
    #[must_use]
    pub fn legible_on(self, grounds: &[Self], end: Self) -> Self {
        let legible =
            |shade: &Self| grounds.iter().all(|ground| shade.contrast(*ground) >= LEGIBLE);
        (0..=100).map(|percent| self.towards(end, percent)).find(legible).unwrap_or(end)
    }

    /// So many percent of the way to `end`.
    fn towards(self, end: Self, percent: u16) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = (u16::from(from) * (100 - percent) + u16::from(to) * percent) / 100;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        let mut mixed = self.0;
        for (part, end) in mixed.iter_mut().zip(end.0) {
            *part = mix(*part, end);
        }
        Self(mixed)
    }

    /// By WCAG's formula, from 0 to 1.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = InvalidColour;
    fn from_str(text: &str) -> Result<Self, InvalidColour> {
        let digits = text.strip_prefix('#').ok_or(InvalidColour)?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidColour);
        }
        let part = |at: usize| {
            let digits = digits.get(at..at + 2).ok_or(InvalidColour)?;
            u8::from_str_radix(digits, 16).map_err(|_| InvalidColour)
        };
        Ok(Self([part(0)?, part(2)?, part(4)?]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.digits())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_six_digits_are_a_colour() {
        assert_eq!("#B3370a".parse::<Colour>().unwrap().to_string(), "#b3370a");
        for bad in ["b3370a", "#b3370", "#b3370a0", "#b3370g", "#+3370a", "", "#äöü", "red"] {
            assert!(bad.parse::<Colour>().is_err(), "{bad}");
        }
    }

    #[test]
    fn contrast_is_measured_as_the_guidelines_do() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 1e-9);
        assert!((Colour::rgb(0x76, 0x76, 0x76).contrast(Colour::WHITE) - 4.54).abs() < 0.01);
        assert_eq!(Colour::rgb(255, 212, 0).ink(), Colour::BLACK);
        assert_eq!(Colour::rgb(0x11, 0x22, 0x88).ink(), Colour::WHITE);
    }

    proptest! {
        #[test]
        fn every_colour_has_a_legible_ink_and_shade(red: u8, green: u8, blue: u8) {
            let colour = Colour::rgb(red, green, blue);
            prop_assert!(colour.contrast(colour.ink()) >= LEGIBLE);
            let shade = colour.legible_on(&[Colour::WHITE], Colour::BLACK);
            prop_assert!(shade.contrast(Colour::WHITE) >= LEGIBLE);
            let shade = colour.legible_on(&[Colour::BLACK], Colour::WHITE);
            prop_assert!(shade.contrast(Colour::BLACK) >= LEGIBLE);
        }
    }
}
