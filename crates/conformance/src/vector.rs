//! One vector: an operation, its inputs and its results (spec/15-conformance.md section 2).

use crate::{
    json::{BadField, Json, Object},
    ops,
};

/// A vector before its results are computed.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of the family and of its folder.
    pub family: &'static str,
    /// The name of the vector's file without its ending.
    pub name: String,
    /// A description of the behaviour that the vector shows.
    pub comment: String,
    /// The name of the operation.
    pub operation: &'static str,
    /// The inputs of the operation.
    pub input: Object,
}

/// Computes the content of the file of a case.
///
/// # Errors
/// Fails with [`BadField`] when the inputs do not fit the operation.
pub fn compute(case: &Case) -> Result<Json, BadField> {
    let outcome = ops::run(case.operation, &case.input)?;
    let file = Object::new()
        .with("family", case.family)
        .with("case", case.name.as_str())
        .with("comment", case.comment.as_str())
        .with("operation", case.operation)
        .with("expect", outcome.expect)
        .with("input", case.input.clone())
        .with("intermediate", outcome.intermediate)
        .with("output", outcome.output);
    Ok(file.into())
}

/// Recomputes the results in a file from the inputs in it: `expect`, then `intermediate`, then
/// `output`. Returns the name of the first field that differs, with those of the objects that it
/// is in (`output.NAME`); `None` if none does.
///
/// # Errors
/// Fails with [`BadField`] when the file lacks a field or the inputs do not fit the operation.
pub fn recompute(file: &Object) -> Result<Option<String>, BadField> {
    let outcome = ops::run(file.text("operation")?, file.object("input")?)?;
    if file.text("expect")? != outcome.expect {
        return Ok(Some("expect".to_owned()));
    }
    for (name, computed) in [("intermediate", outcome.intermediate), ("output", outcome.output)] {
        let found = file.object(name)?;
        if let Some(field) = difference(found, &computed) {
            return Ok(Some(format!("{name}.{field}")));
        }
    }
    Ok(None)
}

/// Returns the name of the first field in which two objects differ, for a field of an inner object
/// as `OUTER.INNER`; `None` if they are equal. The order of fields counts.
#[must_use]
pub fn difference(one: &Object, other: &Object) -> Option<String> {
    let mut pairs = one.0.iter().zip(&other.0);
    let differing = pairs.find_map(|((name, a), (other_name, b))| match (a, b) {
        _ if name != other_name => Some(name.clone()),
        (Json::Object(a), Json::Object(b)) => difference(a, b).map(|inner| format!("{name}.{inner}")),
        _ => (a != b).then(|| name.clone()),
    });
    differing.or_else(|| {
        let shorter = one.0.len().min(other.0.len());
        let rest = one.0.get(shorter..).and_then(<[_]>::first).or(other.0.get(shorter..)?.first());
        rest.map(|(name, _)| name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_differing_field_is_named() {
        let a = Object::new().with("x", 1_u8).with("y", Object::new().with("z", 1_u8));
        let b = Object::new().with("x", 1_u8).with("y", Object::new().with("z", 2_u8));
        assert_eq!(difference(&a, &b), Some("y.z".to_owned()));
        assert_eq!(difference(&a, &a), None);
        assert_eq!(difference(&a, &a.clone().with("more", 1_u8)), Some("more".to_owned()));
    }
}
