//! A sale's own colour. Pages hold no style, so each colour is a stylesheet of its own: a few lines
//! made of six digits, the same for ever.

use actix_web::http::header::HeaderValue;

use crate::{
    kernel::colour::Colour,
    web::cache::{IMMUTABLE, Ready},
};

/// What such a file's name begins with. Browsers keep it for a year: another recipe needs another.
const PREFIX: &str = "accent-";
const ENDING: &str = ".css";

/// What text lies on, as in `shop.css`: ground, raised and sunk.
const LIGHT: [Colour; 3] =
    [Colour::rgb(0xfa, 0xfa, 0xf7), Colour::rgb(0xff, 0xff, 0xff), Colour::rgb(0xf0, 0xef, 0xea)];
const DARK: [Colour; 3] =
    [Colour::rgb(0x12, 0x12, 0x10), Colour::rgb(0x1d, 0x1d, 0x1a), Colour::rgb(0x29, 0x29, 0x26)];

/// Below this a button cannot be told from the page that it lies on.
const VISIBLE: f64 = 1.2;

/// Where the stylesheet of a colour is.
pub(super) fn path(accent: Colour) -> String {
    format!("/assets/{PREFIX}{}{ENDING}", accent.digits())
}

/// The stylesheet of that name, if it is one of a colour.
pub(super) fn stylesheet(name: &str) -> Option<Ready> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
    let accent: Colour = format!("#{digits}").parse().ok()?;
    // One colour has one address.
    (accent.digits() == digits).then(|| {
        let content_type = HeaderValue::from_static("text/css; charset=utf-8");
        Ready::new(rules(accent), content_type, IMMUTABLE)
    })
}

fn rules(accent: Colour) -> String {
    let light = shades(accent, &LIGHT, Colour::BLACK);
    let dark = shades(accent, &DARK, Colour::WHITE);
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

/// The colour as it is for buttons, and a shade of it, towards `end`, for text and thin lines.
fn shades(accent: Colour, grounds: &[Colour], end: Colour) -> String {
    let ink = accent.legible_on(grounds, end);
    let seen = grounds.iter().all(|ground| accent.contrast(*ground) >= VISIBLE);
    let fill = if seen { accent } else { ink };
    format!("--accent:{fill};--on-accent:{};--accent-ink:{ink}", fill.ink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grounds_are_those_of_the_stylesheet() {
        let style = include_str!("assets/shop.css");
        for (names, grounds) in [(["--ground", "--raised", "--sunk"], [LIGHT, DARK])] {
            for (nth, name) in names.iter().enumerate() {
                for scheme in grounds {
                    let rule = format!("{name}: {};", scheme[nth]);
                    assert!(style.contains(&rule), "{rule}");
                }
            }
        }
    }

    #[test]
    fn a_colour_is_served_by_its_one_name_only() {
        let accent = "#b3370a".parse().unwrap();
        assert_eq!(path(accent), "/assets/accent-b3370a.css");
        assert!(stylesheet("accent-b3370a.css").is_some());
        for name in ["accent-B3370A.css", "accent-b3370.css", "accent-.css", "accent-b3370a", ""] {
            assert!(stylesheet(name).is_none(), "{name}");
        }
    }

    #[test]
    fn text_in_the_accent_is_legible_in_both_schemes() {
        for digits in ["000000", "ffffff", "ffd400", "b3370a", "1122ee", "808080", "00ff00"] {
            let accent: Colour = format!("#{digits}").parse().unwrap();
            for (grounds, end) in [(LIGHT, Colour::BLACK), (DARK, Colour::WHITE)] {
                let rules = shades(accent, &grounds, end);
                let ink = rules.rsplit(':').next().unwrap().parse::<Colour>().unwrap();
                assert!(grounds.iter().all(|ground| ink.contrast(*ground) >= 4.5), "{rules}");
            }
        }
    }
}
