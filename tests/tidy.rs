//! The house stays tidy: imports point down, rooms never meet, files stay short.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests say what they expect by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Floors from top to bottom. The doors share a floor and never meet.
const FLOORS: &[&[&str]] =
    &[&["cli"], &["web", "workers"], &["app"], &["flows"], &["shop"], &["platform"], &["kernel"]];

/// Floors whose rooms (direct children) may not import each other.
const ROOMED: &[&str] = &["shop", "flows", "workers"];

const LONGEST_FILE: usize = 400;

fn floor_of(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// Where a file stands: its path below `src` as module segments.
fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<String> = path
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Every `crate::…` path of a source text, `use` trees spread out. Tests inside a file count too.
fn crate_paths(source: &str) -> Vec<Vec<String>> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        spread(code[at + "crate::".len()..].trim_start(), Vec::new(), &mut found);
    }
    found
}

/// Reads one path or tree from the beginning of `text`; returns what is left after it.
fn spread<'a>(text: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = text.trim_start();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix('}') {
                return after;
            }
            if inside.is_empty() {
                return inside;
            }
            let after = spread(inside, path.clone(), found).trim_start();
            inside = after.strip_prefix(',').unwrap_or(after);
            if inside.len() == after.len() && !inside.starts_with('}') {
                // `as name` or anything else up to the next separator
                let next = inside.find([',', '}']).unwrap_or(inside.len());
                inside = &inside[next..];
            }
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if end == 0 {
        found.push(path);
        return rest.strip_prefix('*').unwrap_or(rest);
    }
    path.push(rest[..end].to_owned());
    rest = &rest[end..];
    if let Some(deeper) = rest.strip_prefix("::") {
        spread(deeper, path, found)
    } else {
        found.push(path);
        rest
    }
}

fn wrong_import(from: &[String], to: &[String], rooms: &Rooms) -> Option<&'static str> {
    let (from_floor, to_floor) = (floor_of(from.first()?)?, floor_of(to.first()?)?);
    if to_floor < from_floor {
        return Some("imports upward");
    }
    if to_floor == from_floor && from[0] != to[0] {
        return Some("imports the other door");
    }
    let roomed = from[0] == to[0] && ROOMED.contains(&from[0].as_str());
    // what the floor's own file offers to all its rooms is not a room
    let is_room = to.get(1).is_some_and(|room| rooms.contains(&(to[0].clone(), room.clone())));
    if roomed && is_room && from.len() > 1 && from[1] != to[1] {
        return Some("imports a sibling");
    }
    None
}

/// Rooms, each with its floor.
type Rooms = BTreeSet<(String, String)>;

fn rooms_of(sources: &BTreeMap<PathBuf, String>) -> Rooms {
    sources
        .keys()
        .filter_map(|path| {
            let module = module_of(path);
            Some((module.first()?.clone(), module.get(1)?.clone()))
        })
        .collect()
}

fn complaints(sources: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let rooms = rooms_of(sources);
    let mut complaints = Vec::new();
    for (path, source) in sources {
        let lines = source.lines().count();
        if lines > LONGEST_FILE {
            complaints.push(format!("{}: {lines} lines, {LONGEST_FILE} at most", path.display()));
        }
        let module = module_of(path);
        for to in crate_paths(source) {
            if let Some(why) = wrong_import(&module, &to, &rooms) {
                complaints.push(format!("{}: {why}: crate::{}", path.display(), to.join("::")));
            }
        }
    }
    complaints
}

fn read_tree(root: &Path, below: &Path, sources: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read_tree(root, &path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.insert(path.clone(), fs::read_to_string(root.join(&path)).unwrap());
        }
    }
}

#[test]
fn imports_point_down_and_files_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    read_tree(&root, Path::new(""), &mut sources);
    assert!(sources.len() > 20, "the sources were read");
    let complaints = complaints(&sources);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn scripts_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 100, "{}: {lines} lines", path.display());
    }
}

/// One file in a house that has some other rooms.
fn tree(path: &str, source: &str) -> BTreeMap<PathBuf, String> {
    let others = ["shop/orders/store.rs", "flows/checkout/saga.rs", "flows/mod.rs"];
    let mut tree: BTreeMap<PathBuf, String> =
        others.iter().map(|path| (PathBuf::from(path), String::new())).collect();
    tree.insert(PathBuf::from(path), source.to_owned());
    tree
}

#[test]
fn a_bad_tree_is_refused() {
    let long = "\n".repeat(LONGEST_FILE + 1);
    let bad = [
        ("kernel/ids.rs", "use crate::shop::cart;", "upward"),
        ("shop/cart/mod.rs", "use crate::{kernel::ids, shop::{orders::store as s}};", "sibling"),
        ("shop/cart/store.rs", "fn f() { crate::shop::orders::pay() }", "sibling"),
        ("flows/opening.rs", "use crate::{\n  flows::checkout::Saga,\n};", "sibling"),
        ("web/api/mod.rs", "use crate::workers::run;", "other door"),
        ("platform/config/mod.rs", "use crate::app::App;", "upward"),
        ("shop/sales/mod.rs", long.as_str(), "lines"),
    ];
    for (path, source, why) in bad {
        let complaints = complaints(&tree(path, source));
        assert!(complaints.len() == 1 && complaints[0].contains(why), "{path}: {complaints:?}");
    }
}

#[test]
fn a_good_tree_is_let_pass() {
    let good = [
        ("shop/cart/mod.rs", "use crate::{kernel::{ids::*, line}, shop::cart::store};"),
        ("web/api/mod.rs", "use crate::web::error::Problem; // crate::cli::run"),
        ("cli/serve.rs", "use crate::{app::App, web, workers};"),
        ("flows/opening/mod.rs", "use crate::shop::{cart, inventory};"),
        ("flows/opening/rebuild.rs", "use crate::flows::stock_terms;"),
    ];
    for (path, source) in good {
        assert_eq!(complaints(&tree(path, source)), Vec::<String>::new(), "{path}");
    }
}
