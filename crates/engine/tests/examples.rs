//! The example runs to its end.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../examples/two_people.rs"]
mod two_people;

#[test]
fn the_example_runs() {
    two_people::main().unwrap();
}
