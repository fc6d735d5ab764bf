//! Faults of a configuration, described for the operator: file, line, and what to do.

use crate::limits::Limits;
use std::path::Path;

/// Names of the settings above `[limits]`.
pub(super) const SETTINGS: &[&str] = &[
    "listen",
    "unix",
    "tls_cert",
    "tls_key",
    "url",
    "create_token",
    "trust_clock",
    "proxies",
    "proxy_protocol",
    "metrics",
    "contact",
    "store_key",
    "identity_key",
    "limits",
];

/// Lowest similarity (Jaro and Winkler, 0 to 1) at which a name is suggested in place of another.
const SIMILAR: f64 = 0.8;

/// Describes an error of the configuration, whose text is `text` and whose file is `file`. The
/// message of an error about a value can hold the value, so it is left out where the value may be
/// the token.
pub(super) fn describe(error: &toml::de::Error, text: &str, file: &Path) -> String {
    let spanned = error.span().map_or(0, |span| span.start);
    // The error about a range spans all limits.
    let at = limit_out_of_range(error.message()).and_then(|name| place(name, text)).unwrap_or(spanned);
    let before = text.get(..at).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let is_limit = before.lines().any(|line| line.trim() == "[limits]");
    let message = match unknown_name(error.message()) {
        Some(name) => format!("`{name}` is no setting{}", advice(name, is_limit)),
        None if line.contains("token") => "not understood: the token is a text in quotes".to_owned(),
        None => format!("{}{}", error.message().replace('\n', "; "), value_advice(line)),
    };
    format!("{}, line {number}: {message}", file.display())
}

/// Returns the limit that a message says to be out of its range; `None` if the message is another.
fn limit_out_of_range(message: &str) -> Option<&'static str> {
    let name = message.strip_prefix('`')?.split('`').next()?;
    Limits::TABLE.iter().map(|row| row.name).find(|known| *known == name)
}

/// Returns the position of the line that sets `name`; `None` if the text has no such line.
fn place(name: &str, text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.split_once('=').is_some_and(|(key, _)| key.trim() == name) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Returns the name that a message of the parser calls unknown; `None` if the message is another.
fn unknown_name(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// Returns the end of the sentence about an unknown name, which stands under `[limits]` or not.
fn advice(name: &str, is_limit: bool) -> String {
    let limits = || Limits::TABLE.iter().map(|row| row.name);
    let settings = || SETTINGS.iter().copied();
    if is_limit && settings().any(|known| known == name) {
        return " under [limits]: move it above that line".to_owned();
    }
    if !is_limit && limits().any(|known| known == name) {
        return " here, but a limit: move it below the line [limits]".to_owned();
    }
    let nearest = if is_limit { nearest(name, limits()) } else { nearest(name, settings().chain(limits())) };
    match nearest {
        Some(known) => format!("; did you mean `{known}`?"),
        None if is_limit => "; chapter 12 section 8 of the specification lists all limits".to_owned(),
        None => format!("; there are {}", SETTINGS.join(", ")),
    }
}

/// Returns the known name that is most like `name`; `None` if none is similar.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    scored.filter(|(score, _)| *score >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Returns the end of the sentence about a line whose value has another form than is wanted; empty
/// if nothing is known about it.
fn value_advice(line: &str) -> &'static str {
    let (name, value) = line.split_once('=').unwrap_or_default();
    match (name.trim(), value.trim()) {
        ("proxies", value) if !value.starts_with('[') => "; write proxies = [\"127.0.0.1\"]",
        ("proxy_protocol" | "trust_clock", _) => "; write true or false, without quotes",
        ("listen" | "url" | "unix" | "tls_cert" | "tls_key", value) if !value.starts_with('"') => {
            "; write the value in quotes"
        }
        (name, value) if value.starts_with('"') && Limits::TABLE.iter().any(|row| row.name == name) => {
            "; write the number without quotes"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::RelayConfig;
    use super::*;

    fn fault(text: &str) -> String {
        describe(&toml::from_str::<RelayConfig>(text).unwrap_err(), text, Path::new("config.toml"))
    }

    #[test]
    fn a_fault_names_the_line_and_never_the_token() {
        for text in [
            "listen = \"127.0.0.1:1\"\ncreate_token = \"hunter2-secret",
            "listen = \"127.0.0.1:1\"\ncreate_tokn = \"hunter2-secret\"",
            "listen = \"127.0.0.1:1\"\ncreate_token = [\"hunter2-secret\"]",
            "listen = \"127.0.0.1:1\"\ncreate_token = 4711",
            "[limits]\ncreate_token = \"hunter2-secret\"",
        ] {
            let said = fault(text);
            assert!(said.starts_with("config.toml, line 2: "), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("4711"), "{said}");
        }
    }

    #[test]
    fn a_fault_says_what_to_do() {
        for (text, end) in [
            (
                "[limits]\ncreate_token = \"a\"",
                "line 2: `create_token` is no setting under [limits]: move it above that line",
            ),
            (
                "puts_per_s = 7",
                "line 1: `puts_per_s` is no setting here, but a limit: move it below the line [limits]",
            ),
            ("\nlistn = \"a\"", "line 2: `listn` is no setting; did you mean `listen`?"),
            ("tls_certificate = \"a\"", "`tls_certificate` is no setting; did you mean `tls_cert`?"),
            ("[limits]\nconections = 5", "line 2: `conections` is no setting; did you mean `connections`?"),
            ("conections = 5", "did you mean `connections`?"),
            ("[limits]\nqwzx = 5", "section 8 of the specification lists all limits"),
            ("[limits]\nhalf_open = 1", "line 2: `half_open` goes from 2 to 4294967295"),
            (
                "listen = \"a\"\n[limits]\nconnections = 9\nhalf_open = 1",
                "line 4: `half_open` goes from 2 to 4294967295",
            ),
            ("[limits]\nconnections = \"5\"", "write the number without quotes"),
            ("proxies = \"127.0.0.1\"", "write proxies = [\"127.0.0.1\"]"),
            ("trust_clock = \"yes\"", "write true or false, without quotes"),
            ("listen = 7700", "write the value in quotes"),
        ] {
            let said = fault(text);
            assert!(said.ends_with(end), "{said}");
            assert!(!said.contains('\n'), "{said}");
        }
        assert!(fault("a = 1\na = 2").contains("line 2: duplicate key"), "{}", fault("a = 1\na = 2"));
        assert!(fault("qwzx = 5").ends_with("contact, store_key, identity_key, limits"));
    }

    #[test]
    fn all_settings_are_known_here() {
        let error = toml::from_str::<RelayConfig>("qwzx = 5").unwrap_err();
        let (_, list) = error.message().split_once("expected one of ").unwrap();
        let names: Vec<&str> = list.split(", ").map(|name| name.trim_matches('`')).collect();
        assert_eq!(names, SETTINGS);
    }
}
