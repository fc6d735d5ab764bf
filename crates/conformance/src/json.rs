//! JSON with ordered fields and one canonical text, and byte strings in it (spec/15-conformance.md section 2).

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt::Write as _;

/// Number of bytes from which on a run of equal bytes is written as `{repeat, count}`, so that
/// files stay short.
const LONG_RUN: usize = 64;
/// Maximum number of bytes up to the end of a run in one byte string, so that a short file cannot
/// ask for much memory. Bytes that are written in full are not limited.
const MAX_BYTES: usize = 1 << 20;

/// A value of a vector file: JSON without null, fractions and negative numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// True or false.
    Bool(bool),
    /// An unsigned integer.
    Number(u64),
    /// A text, or bytes in hex.
    Text(String),
    /// A list of values.
    List(Vec<Json>),
    /// Named fields.
    Object(Object),
}

/// An object: named fields in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(pub Vec<(String, Json)>);

/// The name of a field that is missing or has the wrong form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing or has the wrong form")]
pub struct BadField(pub String);

impl Object {
    /// Makes an object without fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field behind the others. The object must not have one of this name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a field like [`with`](Self::with): a byte string, in the form of [`hex()`].
    #[must_use]
    pub fn hex(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with(name, hex(bytes))
    }

    /// Returns the field, if it exists.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|field| field.0 == name).map(|field| &field.1)
    }

    /// Returns the field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing.
    pub fn field(&self, name: &str) -> Result<&Json, BadField> {
        self.find(name).ok_or_else(|| BadField(name.to_owned()))
    }

    /// Returns the text in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing or is no text.
    pub fn text(&self, name: &str) -> Result<&str, BadField> {
        match self.field(name)? {
            Json::Text(text) => Ok(text),
            _ => Err(BadField(name.to_owned())),
        }
    }

    /// Returns the integer in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing, is no integer, or is out of the range of its type.
    pub fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, BadField> {
        let bad = || BadField(name.to_owned());
        match self.field(name)? {
            Json::Number(number) => T::try_from(*number).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }

    /// Returns the byte string in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing or is no byte string.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, BadField> {
        bytes(self.field(name)?).ok_or_else(|| BadField(name.to_owned()))
    }

    /// Returns the byte string of fixed length in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing, is no byte string, or has another length.
    pub fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], BadField> {
        self.bytes(name)?.try_into().map_err(|_| BadField(name.to_owned()))
    }

    /// Returns the list in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing or is no list.
    pub fn list(&self, name: &str) -> Result<&[Json], BadField> {
        match self.field(name)? {
            Json::List(list) => Ok(list),
            _ => Err(BadField(name.to_owned())),
        }
    }

    /// Returns the list of objects in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing or is no list of objects.
    pub fn objects(&self, name: &str) -> Result<Vec<&Object>, BadField> {
        let objects = self.list(name)?.iter().map(|json| match json {
            Json::Object(object) => Ok(object),
            _ => Err(BadField(name.to_owned())),
        });
        objects.collect()
    }

    /// Returns the object in a field.
    ///
    /// # Errors
    /// Fails with [`BadField`] when the field is missing or is no object.
    pub fn object(&self, name: &str) -> Result<&Object, BadField> {
        match self.field(name)? {
            Json::Object(object) => Ok(object),
            _ => Err(BadField(name.to_owned())),
        }
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Self {
        Self::List(list)
    }
}

impl From<Vec<Object>> for Json {
    fn from(list: Vec<Object>) -> Self {
        Self::List(list.into_iter().map(Self::Object).collect())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Json {
            fn from(number: $integer) -> Self {
                Self::Number(number.into())
            }
        })*
    };
}

from_integer!(u8, u16, u32, u64);

/// Returns a length as a JSON number.
#[must_use]
pub fn len(len: usize) -> Json {
    Json::Number(len.try_into().unwrap_or(u64::MAX))
}

/// Returns bytes in lower-case hex. If they contain runs of at least 64 equal bytes, returns a list
/// of hex strings and of `{repeat, count}` for the runs.
#[must_use]
pub fn hex(bytes: impl AsRef<[u8]>) -> Json {
    let bytes = bytes.as_ref();
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        match run {
            [byte, ..] if run.len() >= LONG_RUN => {
                if !plain.is_empty() {
                    parts.push(Json::Text(hex::encode(&plain)));
                    plain.clear();
                }
                let run = Object::new().with("repeat", hex::encode([*byte])).with("count", len(run.len()));
                parts.push(run.into());
            }
            _ => plain.extend_from_slice(run),
        }
    }
    if parts.is_empty() {
        return Json::Text(hex::encode(&plain));
    }
    if !plain.is_empty() {
        parts.push(Json::Text(hex::encode(&plain)));
    }
    Json::List(parts)
}

/// Returns the bytes that [`hex`] wrote; `None` if `json` has another form, or if a run makes them longer than
/// [`MAX_BYTES`].
fn bytes(json: &Json) -> Option<Vec<u8>> {
    match json {
        Json::Text(text) => lower_hex(text),
        Json::List(parts) => {
            let mut bytes = Vec::new();
            for part in parts {
                match part {
                    Json::Text(text) => bytes.append(&mut lower_hex(text)?),
                    Json::Object(run) => {
                        let [byte] = *lower_hex(run.text("repeat").ok()?)?.as_slice() else { return None };
                        let count: usize = run.number("count").ok()?;
                        let end = bytes.len().checked_add(count).filter(|end| *end <= MAX_BYTES)?;
                        bytes.resize(end, byte);
                    }
                    _ => return None,
                }
            }
            Some(bytes)
        }
        _ => None,
    }
}

fn lower_hex(text: &str) -> Option<Vec<u8>> {
    let lower = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if lower { hex::decode(text).ok() } else { None }
}

impl Json {
    /// Parses a text as JSON.
    ///
    /// # Errors
    /// Fails if the text is no JSON, has a value that is no [`Json`], or names a field of one
    /// object twice.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns the canonical text of this value: two blanks a level, one field or entry a line, a
    /// newline at the end.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    /// Returns the text of this value on one line, without a newline.
    #[must_use]
    pub fn render_line(&self) -> String {
        // A newline within a text is written as an escape.
        self.render().lines().map(str::trim_start).collect()
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Text(text) => quote(out, text),
            Self::List(list) if list.is_empty() => out.push_str("[]"),
            Self::List(list) => {
                out.push('[');
                for (at, value) in list.iter().enumerate() {
                    line(out, at, depth);
                    value.write(out, depth + 1);
                }
                close(out, depth, ']');
            }
            Self::Object(Object(fields)) if fields.is_empty() => out.push_str("{}"),
            Self::Object(Object(fields)) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    line(out, at, depth);
                    quote(out, name);
                    out.push_str(": ");
                    value.write(out, depth + 1);
                }
                close(out, depth, '}');
            }
        }
    }
}

fn line(out: &mut String, at: usize, depth: usize) {
    if at > 0 {
        out.push(',');
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth + 1));
}

fn close(out: &mut String, depth: usize, bracket: char) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(bracket);
}

fn quote(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bool, an unsigned integer, a text, a list or an object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Object::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if object.find(&name).is_some() {
                return Err(A::Error::custom("a field stands twice"));
            }
            object.0.push((name, value));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_one() {
        let value: Json = Object::new()
            .with("a", 7_u8)
            .with("b", "x\"\n\u{e9}")
            .with("c", vec![Json::from(true), Object::new().into(), Json::List(vec![])])
            .hex("d", [&[1_u8, 2][..], &[0; 100], &[3]].concat())
            .into();
        let text = value.render();
        assert_eq!(Json::parse(&text).unwrap(), value);
        assert_eq!(Json::parse(&text).unwrap().render(), text);
        let Json::Object(object) = value else { panic!() };
        assert_eq!(object.bytes("d").unwrap(), [&[1_u8, 2][..], &[0; 100], &[3]].concat());
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for text in ["", "{", "1.5", "-1", "null", "{\"a\":1,\"a\":2}", "[1,]", "{} x"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        let object = Object::new().with("upper", "AB").with("odd", "abc");
        assert!(object.bytes("upper").is_err() && object.bytes("odd").is_err());
        let huge = Object::new().with("repeat", "00").with("count", u32::MAX);
        assert!(Object::new().with("huge", vec![huge]).bytes("huge").is_err());
    }
}
