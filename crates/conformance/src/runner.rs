//! Writing all vectors, and comparing all files with what is computed (spec/15-conformance.md section 3).

use crate::{
    cases,
    json::{BadField, Json},
    vector::{Case, compute, difference, recompute},
};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// The result of checking the files of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name of the family and of its folder.
    pub name: String,
    /// Number of vectors whose files are as they must be.
    pub passed: usize,
    /// The files that are not as they must be: those of cases first, then those without a case.
    pub failures: Vec<Failure>,
}

/// A file that differs from the generated one, is missing, or belongs to no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Path below the folder of vectors.
    pub file: String,
    /// The name of the first field that differs, or a description of another fault.
    pub field: String,
}

/// The reason for which vectors cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This file or folder cannot be read, written, made or removed.
    #[error("{path} cannot be read or written", path = .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The case of this name (`FAMILY/NAME`) does not fit its operation: a fault of this program.
    #[error("case {0} cannot be computed")]
    Case(String, #[source] BadField),
}

/// Returns every case with the text of its file, families and cases in their order.
///
/// # Errors
/// Fails with [`Error::Case`] when a case does not fit its operation.
pub fn all() -> Result<Vec<(Case, String)>, Error> {
    let compute = |case: Case| match compute(&case) {
        Ok(file) => Ok((case, file.render())),
        Err(field) => Err(Error::Case(format!("{}/{}", case.family, case.name), field)),
    };
    cases::all().into_iter().map(compute).collect()
}

/// Writes the files of all vectors below `dir`, and returns their number. Folders of families are
/// replaced, with all that is in them; other files and folders stay.
///
/// # Errors
/// Fails with [`Error::Case`], and has then changed nothing, or with [`Error::Io`] if a folder
/// cannot be replaced or a file cannot be written.
pub fn generate(dir: &Path) -> Result<usize, Error> {
    let all = all()?;
    for family in families(&all) {
        let folder = dir.join(&family);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| Error::Io(folder.clone(), error))?;
        }
        fs::create_dir_all(&folder).map_err(|error| Error::Io(folder.clone(), error))?;
    }
    for (case, text) in &all {
        let path = dir.join(case.family).join(format!("{}.json", case.name));
        fs::write(&path, text).map_err(|error| Error::Io(path, error))?;
    }
    Ok(all.len())
}

/// Recomputes the files in those folders of `dir` that have the name of a family, each from its
/// inputs, and compares them with what this program generates. Other folders are not read. Returns
/// one entry for each family, in their order.
///
/// # Errors
/// Fails with [`Error::Io`] if a file or folder cannot be read, and with [`Error::Case`] if a case
/// does not fit its operation. A file that differs, is missing or has no case is a [`Failure`]
/// instead.
pub fn run(dir: &Path) -> Result<Vec<Family>, Error> {
    let all = all()?;
    let mut results = Vec::new();
    for name in families(&all) {
        let mut family = Family { name: name.clone(), passed: 0, failures: Vec::new() };
        let mut found = files(&dir.join(&name))?;
        for (case, text) in all.iter().filter(|(case, _)| case.family == name) {
            let file = format!("{}.json", case.name);
            let shown = format!("{name}/{file}");
            if !found.remove(&file) {
                family.failures.push(Failure { file: shown, field: "the file is missing".to_owned() });
                continue;
            }
            let path = dir.join(&name).join(&file);
            let bytes = fs::read(&path).map_err(|error| Error::Io(path, error))?;
            match check(&bytes, text) {
                None => family.passed += 1,
                Some(field) => family.failures.push(Failure { file: shown, field }),
            }
        }
        let extra = |file| Failure { file: format!("{name}/{file}"), field: "no such case".to_owned() };
        family.failures.extend(found.into_iter().map(extra));
        results.push(family);
    }
    Ok(results)
}

/// Returns the fault of a file's bytes, as in [`Failure::field`]; `None` if there is none. The
/// results in the file must follow from its inputs, and its text must equal `generated`.
#[must_use]
pub fn check(bytes: &[u8], generated: &str) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Some("not UTF-8".to_owned()) };
    let Ok(Json::Object(file)) = Json::parse(text) else { return Some("not a vector".to_owned()) };
    match recompute(&file) {
        Ok(None) => {}
        Ok(Some(field)) => return Some(field),
        Err(BadField(field)) => return Some(format!("{field} is missing or has the wrong form")),
    }
    if text == generated {
        return None;
    }
    let Ok(Json::Object(expected)) = Json::parse(generated) else { return Some("generator".to_owned()) };
    Some(difference(&file, &expected).unwrap_or_else(|| "not in canonical form".to_owned()))
}

fn families(all: &[(Case, String)]) -> Vec<String> {
    let mut names: Vec<String> = all.iter().map(|(case, _)| case.family.to_owned()).collect();
    names.dedup();
    names
}

/// Returns the names of all entries of a folder; no names when there is no folder.
fn files(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let fail = |error| Error::Io(folder.to_owned(), error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(fail)?,
    };
    let names = entries.map(|entry| Ok(entry.map_err(fail)?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
