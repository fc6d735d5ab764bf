//! Faults of a configuration, and what errors may show of it.

use super::*;

#[test]
fn a_fault_of_the_configuration_names_the_line_and_never_the_token() {
    let fault = |text: &str| describe(&toml::from_str::<RelayConfig>(text).unwrap_err(), text);
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
    assert!(fault("[limits]\ncreate_token = \"a\"").ends_with("move it above that line"));
    assert!(fault("puts_per_s = 7").contains("unknown field"));
}

#[test]
fn the_create_token_is_not_printed() {
    let config: RelayConfig = toml::from_str("create_token = \"hunter2-secret\"").unwrap();
    assert_eq!(config.create_token.as_ref().map(CreateToken::expose), Some("hunter2-secret"));
    assert!(!format!("{config:?}").contains("hunter2"));
}
