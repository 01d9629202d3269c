//! Generates the functions that `main.rs` runs, the same as for the newest edition.

#[path = "../generate/mod.rs"]
mod generate;

fn main() {
    generate::write();
}
