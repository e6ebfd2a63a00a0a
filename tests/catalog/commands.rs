//! `stampede import`, `pause` and `resume` as they are typed.

use std::{fs, path::PathBuf};

use super::support::{FILE, Shop};

const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg'/>";

struct Folder(PathBuf);

impl Folder {
    fn new(shop: &Shop) -> Self {
        let name = shop.prefix.replace(':', "-");
        let folder = std::env::temp_dir().join(format!("stampede-{name}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("one.svg"), SVG).unwrap();
        Self(folder)
    }

    fn file(&self, text: &str) -> String {
        let path = self.0.join("sale.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit code, standard output, standard error.
fn stampede(shop: &Shop, arguments: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", &shop.database_url)
        .env("REDIS_URL", std::env::var("REDIS_URL").unwrap())
        .env("STAMPEDE_REDIS__PREFIX", &shop.prefix)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn import_says_what_it_did_in_a_line_when_piped() {
    let shop = Shop::new().await;
    let folder = Folder::new(&shop);
    let path = folder.file(FILE);
    let (code, out, err) = stampede(&shop, &["import", &path]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("night-run: new from "), "{out}");
    assert!(out.contains("2 products, 3 SKUs, 35 units"), "{out}");
    assert_eq!(out.lines().count(), 1);
    let (code, out, _) = stampede(&shop, &["import", &path]);
    assert_eq!(code, 0);
    assert!(out.starts_with("night-run: nothing to change"), "{out}");
    let path = folder.file(&FILE.replace("stock = 10", "stock = 12"));
    let (_, out, _) = stampede(&shop, &["import", &path, "--if-absent"]);
    assert!(out.starts_with("night-run: nothing to change"), "{out}");
    let (_, out, _) = stampede(&shop, &["import", &path]);
    assert!(out.starts_with("night-run: 1 changes from"), "{out}");
    assert_eq!(shop.total("RUN1-42").await, Some(12));
    shop.close().await;
}

#[tokio::test]
async fn import_tells_every_error_with_line_and_field_and_exits_with_1() {
    let shop = Shop::new().await;
    let folder = Folder::new(&shop);
    let path = folder.file(
        &FILE
            .replace("129.00", "129.000")
            .replace("stock = 5", "stock = -5")
            .replace("one.svg", "none.svg"),
    );
    let (code, out, err) = stampede(&shop, &["import", &path]);
    assert_eq!((code, out.as_str()), (1, ""));
    for told in [
        "nothing was changed",
        "line 14, product.image: there is no none.svg beside this file",
        "line 20, product.sku.price: EUR has 2 decimals at most",
        "line 26, product.sku.price:",
        "line 37, product.sku.stock: expected a whole number",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
    assert!(shop.sales.listed().await.unwrap().is_empty());
    let (code, _, err) = stampede(&shop, &["import", "/nowhere/sale.toml"]);
    assert_eq!(code, 1);
    assert!(err.contains("/nowhere/sale.toml"), "{err}");
    assert_eq!(stampede(&shop, &["import"]).0, 2);
    shop.close().await;
}

#[tokio::test]
async fn pause_and_resume_turn_the_switch() {
    let shop = Shop::new().await;
    let (code, _, err) = stampede(&shop, &["pause", "night-run"]);
    assert_eq!(code, 1);
    assert!(err.contains("night-run: no such sale"), "{err}");
    shop.import(FILE).await.unwrap();
    for (verb, said, paused) in [
        ("pause", "now paused", true),
        ("pause", "already paused", true),
        ("resume", "now not paused", false),
    ] {
        let (code, out, _) = stampede(&shop, &[verb, "night-run"]);
        assert_eq!(code, 0);
        assert!(out.contains(said), "{out}");
        assert_eq!(shop.sale().await.paused, paused);
    }
    assert_eq!(stampede(&shop, &["pause", "Night/Run"]).0, 2);
    shop.close().await;
}
