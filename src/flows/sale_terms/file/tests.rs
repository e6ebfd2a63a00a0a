//! Files as people write them, and as they should not.

use super::*;
use crate::kernel::clock::from_millis;

const GOOD: &str = r#"[sale]
slug = "night-run"
title = "Night Run"
currency = "EUR"
starts_at = "2026-11-27T10:00:00Z"
ends_at = "2026-11-27T12:00:00Z"
hold = "10m"
limit_per_shopper = 4

[[product]]
slug = "runner-one"
title = "Runner One"
description = "Plain text."
image = "runner-one.svg"
limit_per_shopper = 2

[[product.sku]]
sku = "RUN1-42"
label = "EU 42"
price = "129.00"
stock = 2500
"#;

fn parse(text: &str) -> Result<SaleFile, FileErrors> {
    SaleFile::parse(text, &mut |name| match name {
        "runner-one.svg" => {
            let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
            Ok(Image::parse(bytes::Bytes::from_static(svg)).unwrap())
        }
        name => Err(format!("there is no {name} beside this file")),
    })
}

/// The good file with one piece put differently; asserts where that is found wrong.
#[track_caller]
fn refused(piece: &str, instead: &str, line: usize, field: &str) {
    assert!(GOOD.contains(piece), "{piece}");
    let errors = parse(&GOOD.replacen(piece, instead, 1)).expect_err(instead);
    let found: Vec<_> =
        errors.as_slice().iter().map(|error| (error.line, error.field.as_str())).collect();
    assert_eq!(found, [(line, field)], "{instead}: {errors}");
}

#[test]
fn a_good_file_is_read_whole() {
    let file = parse(GOOD).unwrap();
    assert_eq!(file.slug.as_str(), "night-run");
    assert_eq!(file.hold.value, Duration::from_mins(10));
    let product = &file.products[0];
    assert!(product.image.is_some());
    assert_eq!(product.limit_per_shopper.map(Quantity::get), Some(2));
    let sku = &product.skus[0];
    assert_eq!((sku.price.value.amount, sku.price.line), (12_900, 20));
    assert_eq!((sku.stock.value.get(), sku.stock.line), (2500, 21));
    assert_eq!(parse(&format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))).unwrap(), file);
}

#[test]
fn image_description_and_product_limit_may_be_left_out() {
    let short: String = GOOD
        .lines()
        .filter(|line| {
            !["image", "description", "limit_per_shopper = 2"].iter().any(|f| line.starts_with(f))
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let file = parse(&short).unwrap();
    assert_eq!(file.products[0].description, "");
    assert_eq!((file.products[0].image.as_ref(), file.products[0].limit_per_shopper), (None, None));
}

#[test]
fn an_empty_file_lacks_everything() {
    let errors = parse("").unwrap_err();
    let fields: Vec<_> = errors.as_slice().iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["sale", "product"]);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    for (text, line) in [
        ("{\"sale\": 1}", 1),
        ("[sale]\nslug = night-run\n", 2),
        ("[sale]\nslug = \"a\"\nslug = \"b\"\n", 3),
        ("[sale]\nslug = \"unended\n", 2),
        ("[sale\n", 1),
        ("\0\0\0", 1),
    ] {
        let errors = parse(text).unwrap_err();
        assert_eq!(errors.as_slice()[0].line, line, "{text:?}: {errors}");
        assert!(!errors.as_slice()[0].field.is_empty());
    }
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn an_accent_is_a_colour_of_six_digits() {
    let with = |accent: &str| format!("accent = {accent}\ncurrency = \"EUR\"");
    let file = parse(&GOOD.replacen("currency = \"EUR\"", &with("\"#B3370A\""), 1)).unwrap();
    assert_eq!(file.accent.map(|colour| colour.to_string()).as_deref(), Some("#b3370a"));
    assert_eq!(parse(GOOD).unwrap().accent, None);
    for bad in ["\"red\"", "\"#b33\"", "\"#b3370g\"", "\"b3370a\"", "\"\"", "11744010"] {
        refused("currency = \"EUR\"", &with(bad), 4, "sale.accent");
    }
}

#[test]
fn unknown_keys_are_errors() {
    refused("hold =", "colour = \"red\"\nhold =", 7, "sale.colour");
    refused("label =", "size = 42\nlabel =", 19, "product.sku.size");
    refused("[sale]", "version = 1\n[sale]", 1, "version");
    refused("[[product]]", "[shop]\nname = \"x\"\n[[product]]", 10, "shop");
}

#[test]
fn required_keys_are_required() {
    refused("title = \"Night Run\"\n", "", 1, "sale.title");
    refused("limit_per_shopper = 4\n", "", 1, "sale.limit_per_shopper");
    refused("price = \"129.00\"\n", "", 17, "product.sku.price");
    refused("sku = \"RUN1-42\"\n", "", 17, "product.sku.sku");
}

#[test]
fn stock_and_limits_are_whole_numbers_in_bounds() {
    for bad in ["-1", "1.5", "\"12\"", "100000001", "99999999999999999999", "true", "[1]"] {
        refused("2500", bad, 21, "product.sku.stock");
    }
    for bad in ["0", "-3", "4.0", "\"4\""] {
        refused(
            "limit_per_shopper = 4",
            &format!("limit_per_shopper = {bad}"),
            8,
            "sale.limit_per_shopper",
        );
    }
    refused("limit_per_shopper = 2\n", "limit_per_shopper = 0\n", 15, "product.limit_per_shopper");
    assert!(parse(&GOOD.replace("2500", "0")).is_ok());
    assert!(parse(&GOOD.replace("2500", "0x10")).is_ok());
}

#[test]
fn prices_are_decimal_strings_of_the_currency() {
    for bad in
        ["\"129.000\"", "129.00", "129", "\"-1.00\"", "\"\"", "\"1,00\"", "\"9999999999999\""]
    {
        refused("\"129.00\"", bad, 20, "product.sku.price");
    }
    refused("\"EUR\"", "\"Euro\"", 4, "sale.currency");
    refused("\"EUR\"", "\"JPY\"", 20, "product.sku.price");
}

#[test]
fn names_keep_to_their_characters() {
    let long = format!("\"{}\"", "a".repeat(65));
    for bad in
        ["\"Night\"", "\"night run\"", "\"a/b\"", "\"\"", "\"ü\"", "\"a\\u0000\"", &long, "1"]
    {
        refused("\"night-run\"", bad, 2, "sale.slug");
    }
    refused("\"runner-one\"", "\"../etc\"", 11, "product.slug");
    refused("\"RUN1-42\"", "\"RUN 42\"", 18, "product.sku.sku");
}

#[test]
fn names_stand_once() {
    let again = "[[product.sku]]\nsku = \"RUN1-42\"\nlabel = \"x\"\nprice = \"1\"\nstock = 1\n";
    refused("stock = 2500\n", &format!("stock = 2500\n{again}"), 23, "product.sku.sku");
    let other =
        format!("[[product]]\nslug = \"runner-one\"\ntitle = \"x\"\n{}", again.replace("42", "43"));
    refused("stock = 2500\n", &format!("stock = 2500\n{other}"), 23, "product.slug");
}

#[test]
fn a_product_has_skus_and_a_sale_has_products() {
    let without_skus = GOOD.split("[[product.sku]]").next().unwrap();
    assert_eq!(parse(without_skus).unwrap_err().as_slice()[0].field, "product.sku");
    let without = GOOD.split("[[product]]").next().unwrap();
    assert_eq!(parse(without).unwrap_err().as_slice()[0].field, "product");
}

#[test]
fn times_are_instants_or_offsets() {
    for bad in [
        "\"tomorrow\"",
        "\"2026-11-27\"",
        "\"2026-11-27T10:00:00\"",
        "\"+\"",
        "\"+2 lightyears\"",
        "\"+100years\"",
        "\"-2m\"",
        "0",
        "2026-11-27",
    ] {
        refused("\"2026-11-27T10:00:00Z\"", bad, 5, "sale.starts_at");
    }
    let native = parse(&GOOD.replace("\"2026-11-27T10:00:00Z\"", "2026-11-27T12:00:00+02:00"));
    assert_eq!(native.unwrap().starts_at.value, parse(GOOD).unwrap().starts_at.value);
}

#[test]
fn offsets_count_from_the_first_import() {
    let text = GOOD
        .replace("\"2026-11-27T10:00:00Z\"", "\"+2m\"")
        .replace("\"2026-11-27T12:00:00Z\"", "\"+1h 2m\"");
    let (start, end) = parse(&text).unwrap().schedule(from_millis(1_000)).unwrap();
    assert_eq!((start, end), (from_millis(121_000), from_millis(3_721_000)));
}

#[test]
fn a_sale_ends_after_its_start() {
    for end in ["2026-11-27T10:00:00Z", "2026-11-27T09:00:00Z", "+1m"] {
        let file = parse(&GOOD.replace("2026-11-27T12:00:00Z", end)).unwrap();
        let error = file.schedule(from_millis(0)).unwrap_err();
        assert_eq!((error.line, error.field.as_str()), (6, "sale.ends_at"));
    }
}

#[test]
fn holds_are_sensible() {
    for bad in ["\"0s\"", "\"999ms\"", "\"25h\"", "\"10\"", "\"-1m\"", "600", "\"ten\""] {
        refused("\"10m\"", bad, 7, "sale.hold");
    }
}

#[test]
fn text_is_bounded_and_plain() {
    for bad in ["\"\"", "\"  \"", "\"a\\nb\"", "\"a\\u0007\"", &format!("\"{}\"", "x".repeat(201))]
    {
        refused("\"Night Run\"", bad, 3, "sale.title");
    }
    let long = format!("\"{}\"", "x".repeat(10_001));
    refused("\"Plain text.\"", &long, 13, "product.description");
    refused("\"EU 42\"", "\"\"", 19, "product.sku.label");
}

#[test]
fn a_missing_picture_is_told_with_its_line() {
    refused("\"runner-one.svg\"", "\"boot.svg\"", 14, "product.image");
    refused("\"runner-one.svg\"", "7", 14, "product.image");
}

#[test]
fn everything_wrong_is_told_at_once_in_order_of_lines() {
    let errors =
        parse(&GOOD.replace("2500", "-1").replace("10m", "0s").replace("EU 42", "")).unwrap_err();
    assert_eq!(
        errors.to_string().lines().map(|line| line.split(':').next().unwrap()).collect::<Vec<_>>(),
        ["line 7, sale.hold", "line 19, product.sku.label", "line 21, product.sku.stock"]
    );
}

#[test]
fn a_wholly_wrong_file_does_not_fill_the_terminal() {
    let many: String = (0..500).flat_map(|n| [format!("x{n}"), " = 1\n".into()]).collect();
    let shown = parse(&many).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 51);
    assert!(shown.ends_with("and 452 more"), "{shown}");
}
