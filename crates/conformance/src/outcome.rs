//! The result of an operation (spec/15-conformance.md section 2).

use crate::{class::Class, json::Object};

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The text `ok`, or the class of the refusal.
    pub expect: String,
    /// The values on the way, which help to find an implementation's fault.
    pub intermediate: Object,
    /// The results; empty after a refusal, except in operations of several steps.
    pub output: Object,
}

impl Outcome {
    /// Makes the outcome of a success.
    #[must_use]
    pub fn ok(output: Object) -> Self {
        Self::traced(Object::new(), output)
    }

    /// Makes the outcome of a success with intermediate values.
    #[must_use]
    pub fn traced(intermediate: Object, output: Object) -> Self {
        Self { expect: "ok".to_owned(), intermediate, output }
    }

    /// Makes the outcome of a refusal by this error.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "an error is used up")]
    pub fn refused(error: impl Class) -> Self {
        Self::of_class(&error.class())
    }

    /// Makes the outcome of a refusal of this class.
    #[must_use]
    pub fn of_class(class: &str) -> Self {
        Self { expect: class.to_owned(), intermediate: Object::new(), output: Object::new() }
    }
}
