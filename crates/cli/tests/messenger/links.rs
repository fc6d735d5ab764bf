//! Links as they come out of mail programs and messengers.

use crate::common::{Sandbox, run_with_input};

#[test]
fn a_link_that_a_mail_program_has_wrapped_and_quoted_is_accepted() {
    let sandbox = Sandbox::new();
    let (ben, link) = (&sandbox.ben, sandbox.link());
    let (first, second) = link.split_at(72);
    let mail =
        format!("On Monday Ada wrote:\r\n> Hi Ben,\r\n>\r\n> <{first}\r\n> {second}>.\r\n>\r\n> Ada\r\n");
    let cut = format!("> {}\n> Ada\n", &link[..link.len() - 4]);
    let accept = |text: &str| run_with_input(&mut ben.command(["accept", "-", "ada"]), Some(text.as_bytes()));
    accept(&cut).fails(&["cut off", "copy all"]);
    accept("").fails(&["no link"]);
    accept(&"x".repeat(70_000)).fails(&["too long"]);
    assert!(ben.json(&["contacts"]).ok().lines().is_empty(), "nothing is left of what failed");
    accept(&mail).ok();
    ben.run(&["send", "ada", "through the mail"]).ok();
    assert_eq!(sandbox.ada.texts(), ["through the mail"]);
}

#[test]
fn a_link_of_the_other_kind_says_so() {
    let sandbox = Sandbox::new();
    let link = sandbox.link();
    let cara = sandbox.person("cara");
    let said =
        cara.run(&["init", "--no-passphrase", "--relay", &link]).fails(&["invite link", "not the address"]);
    assert!(!said.err.contains(&link), "no secret in an error");
    assert!(!cara.home.exists());
    let address = sandbox.relay.address.replace("ws://", "WS://");
    cara.run(&["init", "--no-passphrase", "--relay", &format!("<{address}>,")]).ok();
    let status = cara.json(&["status"]).ok().json();
    assert_eq!(status["relay"], sandbox.relay.address.as_str());
    cara.run(&["accept", &sandbox.relay.address, "ada"]).fails(&["address of a relay"]);
    let other = sandbox.link_for("dora");
    cara.run(&["accept", &format!("{link} {other}"), "ada"]).fails(&["two different links"]);
    // In one argument, as a messenger passes it on.
    let mangled = format!("\u{201e}{}?utm_source=chat\u{201c}", link.replace("deaddrop:ws", "DEADDROP:WS"));
    cara.run(&["accept", &mangled, "ada"]).ok();
}
