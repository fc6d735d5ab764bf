//! What the relay's `inspect --json` says, read and shown.

use std::fmt::Write as _;

use serde_json::Value;

use super::relay_process::RelayProcess;
use crate::failure::Failure;

/// How many blobs the relay holds.
pub async fn blobs(relay: &RelayProcess) -> Result<u64, Failure> {
    let seen = relay.inspect().await?;
    seen.get("blobs")
        .and_then(Value::as_u64)
        .ok_or_else(|| Failure::new("the relay's inspect does not count blobs"))
}

/// All of it, one fact per line.
pub fn render(seen: &Value) -> String {
    let mut facts = Vec::new();
    flatten(String::new(), seen, &mut facts);
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, fact) in facts {
        let _ = writeln!(text, "      {name:width$}  {fact}");
    }
    text
}

fn flatten(name: String, value: &Value, facts: &mut Vec<(String, String)>) {
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name} {part}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(part, value)| flatten(below(part), value, facts)),
        Value::Array(list) if list.is_empty() => facts.push((name, "none".into())),
        Value::Array(list) => {
            list.iter()
                .zip(1..)
                .for_each(|(value, place): (_, usize)| flatten(below(&place.to_string()), value, facts));
        }
        Value::String(text) => facts.push((name, text.clone())),
        other => facts.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_fact_is_shown() {
        let seen =
            serde_json::json!({ "blobs": 2, "mailboxes": [{ "days": 7 }, { "days": 30 }], "none": [] });
        let text = super::render(&seen);
        for fact in ["blobs", "mailboxes 1 days", "30", "none"] {
            assert!(text.contains(fact), "{text}");
        }
    }
}
