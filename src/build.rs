//! Without this, a migration that was added would not be taken into the binary: sqlx's macro can
//! tell cargo of the files it read, but not of the folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
