//! Generates the functions that `main.rs` runs.

mod generate;

fn main() {
    generate::write();
}
