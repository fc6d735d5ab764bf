//! Every example runs to its end.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../examples/attachments.rs"]
mod attachments;
#[path = "../examples/out_of_order.rs"]
mod out_of_order;
#[path = "../examples/store.rs"]
mod store;
#[path = "../examples/two_people.rs"]
mod two_people;
#[path = "../examples/verify.rs"]
mod verify;

#[test]
fn every_example_runs() {
    let examples: [(&str, fn()); 5] = [
        ("attachments.rs", attachments::main),
        ("out_of_order.rs", out_of_order::main),
        ("store.rs", store::main),
        ("two_people.rs", two_people::main),
        ("verify.rs", verify::main),
    ];
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, examples.map(|(name, _)| name));
    examples.iter().for_each(|(_, run)| run());
}
