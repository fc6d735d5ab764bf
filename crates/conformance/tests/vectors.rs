//! The committed vectors are those that this program makes, cover every label, and no change of them
//! passes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_conformance::{cases, runner};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(vectors: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_deaddrop-conformance"))
        .args(["run", "--vectors"])
        .arg(vectors)
        .args(more)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn committed_vectors_are_the_generated_ones() {
    for family in runner::run(&root().join("test-vectors")).unwrap() {
        assert_eq!(family.failures, [], "run `deaddrop-conformance generate` and look at the difference");
        assert!(family.passed > 0);
    }
}

#[test]
fn any_changed_byte_is_seen() {
    let mut changes = 0_u32;
    for (case, text) in runner::all().unwrap() {
        assert_eq!(runner::check(text.as_bytes(), &text), None);
        // Every position of a small file; of a large one its ends and a sample that differs from file to file.
        let len = text.len();
        let step = match len {
            _ if case.name == "rekey" => len / 3,
            0..1_000 => 1,
            _ => len / 23,
        };
        for at in (0..len).step_by(step).chain([len - 2, len - 1]) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= if at % 2 == 0 { 1 } else { 0x20 };
            let found = runner::check(&bytes, &text);
            assert!(found.is_some(), "{}/{}: byte {at}", case.family, case.name);
            changes += 1;
        }
    }
    assert!(changes > 50_000, "{changes}");
}

#[test]
fn outputs_are_recomputed_and_not_only_compared() {
    // The same wrong text on both sides still fails: what the file claims does not follow from its inputs.
    for (case, text) in
        runner::all().unwrap().into_iter().filter(|(_, text)| text.contains("\"expect\": \"ok\""))
    {
        let output = text.find("\"output\"").unwrap();
        // The last hex digit, or else the last digit, of the outputs.
        let Some(at) = text[output..].rfind(|c: char| c.is_ascii_digit()) else { continue };
        let mut wrong = text.clone().into_bytes();
        wrong[output + at] ^= 1;
        let wrong = String::from_utf8(wrong).unwrap();
        let field = runner::check(wrong.as_bytes(), &wrong).unwrap_or_default();
        assert!(field.starts_with("output."), "{}/{}: {field}", case.family, case.name);
    }
}

#[test]
fn the_program_names_file_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let count = runner::generate(dir.path()).unwrap();
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    let passed: usize =
        text.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(passed, count);

    let path = dir.path().join("safety-number/pair.json");
    let good = fs::read_to_string(&path).unwrap();
    let at = good.find("\"qr\": \"").unwrap() + 10;
    let mut bad = good.clone().into_bytes();
    bad[at] ^= 1;
    fs::write(&path, &bad).unwrap();
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("FAILED safety-number/pair.json: output.qr"), "{text}");
    let (code, text) = run(dir.path(), &["--json"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("\"ok\": false") && text.contains("\"field\": \"output.qr\""), "{text}");

    fs::write(&path, good.replace("either order", "any order")).unwrap();
    assert!(run(dir.path(), &[]).1.contains("FAILED safety-number/pair.json: comment"));
    fs::write(&path, good.replace("  \"case\"", "   \"case\"")).unwrap();
    assert!(run(dir.path(), &[]).1.contains("FAILED safety-number/pair.json: not in canonical form"));
    fs::remove_file(&path).unwrap();
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("FAILED safety-number/pair.json: the file is missing"), "{text}");
    fs::write(&path, &good).unwrap();
    fs::write(dir.path().join("safety-number/more.json"), &good).unwrap();
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("FAILED safety-number/more.json: no such case"), "{text}");
}

#[test]
fn a_folder_without_vectors_fails() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), &[]).0, Some(1));
}

/// Returns the rows of all tables in a file of the spec, each as its cells.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

#[test]
fn every_label_has_a_vector() {
    let rows = rows("spec/labels.md").into_iter().filter(|row| row[0] == "e2ee" || row[0] == "link");
    let in_spec: BTreeSet<String> = rows.map(|row| row[1].clone()).collect();
    let in_vectors: BTreeSet<String> = cases::all()
        .iter()
        .filter(|case| case.operation == "labels")
        .flat_map(|case| case.input.list("texts").unwrap().to_vec())
        .map(|json| json.render().trim().trim_matches('"').to_owned())
        .collect();
    assert_eq!(in_vectors, in_spec);
}

#[test]
fn names_are_unique_and_sizes_bounded() {
    let all = runner::all().unwrap();
    let names: BTreeSet<_> = all.iter().map(|(case, _)| (case.family, &case.name)).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().map(|(_, text)| text.len()).sum::<usize>() < 7_000_000);
}
