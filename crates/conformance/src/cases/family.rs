//! The cases of one family of vectors.

use crate::{json::Object, vector::Case};

/// The cases of one family so far, in the order of the files.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) cases: Vec<Case>,
}

impl Family {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, cases: Vec::new() }
    }

    pub(super) fn add(&mut self, operation: &'static str, name: &str, comment: &str, input: Object) {
        let (name, comment) = (name.to_owned(), comment.to_owned());
        self.cases.push(Case { family: self.name, name, comment, operation, input });
    }
}
