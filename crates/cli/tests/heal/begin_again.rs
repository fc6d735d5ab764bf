//! Two people begin again by a new invite: after a lost vault, with the same or another identity.

use super::*;

/// Makes Ada and Ben. Ben has lost his vault and made a new one; a text of Ada's that he never got
/// waits. Returns the text's message id, too.
fn bereft() -> (Sandbox, String) {
    let sandbox = acquainted();
    sandbox.ada.run(&["verify", "ben", "--confirm"]).ok();
    fs::remove_dir_all(&sandbox.ben.home).unwrap();
    let waits = send(&sandbox.ada, "ben", "waits for ben");
    sandbox.ben.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    (sandbox, waits)
}

/// Checks that texts flow in both directions, that the text with the message id `waits` has come,
/// and that both see the same safety number, not verified.
#[track_caller]
fn check_flow(sandbox: &Sandbox, shown: &mut [Shown; 2], waits: &str) {
    send(&sandbox.ben, "ada", "again to ada");
    let to_ben = send(&sandbox.ada, "ben", "again to ben");
    look_until([&sandbox.ada, &sandbox.ben], shown, |[ada, ben]| {
        ada.has_text("again to ada")
            && ben.has_text("again to ben")
            && ben.has_text("waits for ben")
            && ada.delivered().contains(&to_ben)
            && ada.delivered().contains(waits)
    });
    shown.iter().for_each(Shown::check_once);
    let numbers = [(&sandbox.ada, "ben"), (&sandbox.ben, "ada")].map(|(person, name)| {
        let said = person.json(&["verify", name]).ok().json();
        assert_eq!(said["verified"], false, "{said}");
        said["safety_number"].clone()
    });
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn the_inviter_agrees_to_the_new_identity_of_a_lost_vault() {
    let (sandbox, waits) = bereft();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let before = ada.json(&["verify", "ben"]).ok().json()["safety_number"].clone();
    let invited = ada.json(&["invite", "ben"]).ok().json();
    assert_eq!(invited["begins_again"], true, "{invited}");
    ben.run(&["accept", invited["link"].as_str().unwrap(), "ada"]).ok();
    send(ben, "ada", "it is me");
    let mut shown = [Shown::default(), Shown::default()];
    look_until([ada, ben], &mut shown, |[ada, _]| ada.has("other_identity"));
    // Nothing of it is believed until Ada has agreed.
    assert!(!shown[0].has_text("it is me"), "{shown:#?}");
    assert_eq!(ada.json(&["verify", "ben"]).ok().json()["safety_number"], before);
    let human = ada.run(&["receive", "--after", "0"]).ok().out;
    assert!(human.contains("another way") && human.contains("deaddrop agree ben"), "{human}");
    let contacts = ada.run(&["contacts"]).ok().out;
    assert!(contacts.contains("WAITS FOR YOUR WORD") && contacts.contains("agree ben"), "{contacts}");
    assert_eq!(ada.json(&["contacts"]).ok().json()["asks"][0]["what"], "new_identity");
    let status = ada.json(&["status"]).ok().json();
    let asks = &status["asks"][0];
    assert!(asks["name"] == "ben" && asks["what"] == "new_identity", "{status}");
    let number = asks["safety_number"].as_str().unwrap();
    assert_eq!(ben.json(&["verify", "ada"]).ok().json()["safety_number"], number, "that of the new vault");
    assert!(ada.run(&["status"]).ok().out.contains("agree ben"));

    let agreed = ada.json(&["agree", "ben"]).ok().json();
    assert_eq!(agreed["agreed"], "new_identity", "{agreed}");
    assert_eq!(ada.json(&["contacts"]).ok().json()["asks"], serde_json::json!([]));
    ada.run(&["agree", "ben"]).fails(&["asks for nothing", "invite ben"]);
    check_flow(&sandbox, &mut shown, &waits);
    assert!(shown[0].has_text("it is me") && shown[0].has("identity_changed"), "{shown:#?}");
    assert!(shown[0].has("verification_cleared"), "she had verified the other one: {shown:#?}");
}

#[test]
fn what_asks_for_a_new_identity_waits_as_long_as_the_user_says_nothing() {
    let (sandbox, _) = bereft();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let link = link(ada, "ben");
    ben.run(&["accept", &link, "ada"]).ok();
    send(ben, "ada", "it is me");
    let mut shown = [Shown::default(), Shown::default()];
    for _ in 0..4 {
        shown[0].look(ada);
        shown[1].look(ben);
    }
    let asked = shown[0].0.iter().filter(|event| event["kind"] == "other_identity").count();
    assert_eq!(asked, 1, "{shown:#?}");
    assert!(!shown[0].has_text("it is me") && !shown[0].has("identity_changed"), "{shown:#?}");
    assert_eq!(ada.json(&["verify", "ben"]).ok().json()["verified"], true);
    assert_eq!(ada.json(&["contacts"]).ok().json()["asks"][0]["what"], "new_identity");
}

#[test]
fn the_invite_of_a_newly_made_vault_is_accepted_as_a_new_identity_alone() {
    let (sandbox, waits) = bereft();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let link = link(ben, "ada");
    let refused = ada.run(&["accept", &link, "ben"]).fails(&["another identity", "another way"]);
    assert!(refused.err.contains("accept --new-identity LINK ben"), "{refused:?}");
    assert_eq!(ada.json(&["verify", "ben"]).ok().json()["verified"], true, "a refused link changes nothing");
    ada.run(&["accept", "--new-identity", "--allow-private", &link, "ben"]).fails(&["--new-identity"]);
    let accepted = ada.json(&["accept", "--new-identity", &link, "ben"]).ok().json();
    assert_eq!(accepted["begins_again"], true, "{accepted}");
    let mut shown = [Shown::default(), Shown::default()];
    check_flow(&sandbox, &mut shown, &waits);
    assert!(shown[0].has("identity_changed") && shown[0].has("verification_cleared"), "{shown:#?}");
    assert!(shown[1].has("invite_accepted"), "{shown:#?}");
}

#[test]
fn a_new_invite_of_a_known_contact_begins_again_with_the_same_identity() {
    let sandbox = acquainted();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    for (person, name) in [(ada, "ben"), (ben, "ada")] {
        person.run(&["verify", name, "--confirm"]).ok();
    }
    let human = ada.run(&["invite", "ben"]).ok().out;
    assert!(human.contains("a contact already") && human.contains("begin again"), "{human}");
    // The invite is out: it is not made twice.
    ada.run(&["invite", "ben"]).fails(&["name already", "can still be accepted"]);
    let link = human.lines().find(|line| line.starts_with("deaddrop:")).unwrap().to_owned();
    ben.run(&["accept", &link, "ada-again"]).fails(&["contact already", "by that name"]);
    let accepted = ben.run(&["accept", &link, "ada"]).ok().out;
    assert!(accepted.contains("Connected again") && accepted.contains("verify ada"), "{accepted}");
    let mut shown = [Shown::default(), Shown::default()];
    send(ben, "ada", "again to ada");
    send(ada, "ben", "again to ben");
    look_until([ada, ben], &mut shown, |[ada, ben]| {
        ada.has_text("again to ada") && ben.has_text("again to ben") && ada.has("begun_again")
    });
    shown.iter().for_each(Shown::check_once);
    let human = ada.run(&["receive", "--after", "0"]).ok().out;
    assert!(human.contains("new beginning") && human.contains("deaddrop verify ben"), "{human}");
    let contacts = [ada, ben].map(|person| person.json(&["contacts"]).ok().lines());
    assert!(contacts.iter().all(|list| list.len() == 1), "{contacts:?}");
}

#[test]
fn a_contact_that_is_asked_to_begin_again_does_so_when_its_user_agrees() {
    let sandbox = acquainted();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    ben.run(&["verify", "ada", "--confirm"]).ok();
    let asked = ada.json(&["begin-again", "ben"]).ok().json();
    assert_eq!(asked, serde_json::json!({ "name": "ben", "state": "asked" }));
    let to_ben = send(ada, "ben", "again to ben");
    let mut shown = [Shown::default(), Shown::default()];
    look_until([ada, ben], &mut shown, |[_, ben]| ben.has("reset_requested"));
    assert!(!shown[1].has_text("again to ben"), "nothing of it is believed before: {shown:#?}");
    assert_eq!(ben.json(&["contacts"]).ok().json()["asks"][0]["what"], "reset");
    let human = ben.run(&["status"]).ok().out;
    assert!(human.contains("asks to begin again") && human.contains("deaddrop agree ada"), "{human}");
    assert_eq!(ben.json(&["agree", "ada"]).ok().json()["agreed"], "reset");
    let to_ada = send(ben, "ada", "again to ada");
    look_until([ada, ben], &mut shown, |[ada, ben]| {
        ada.has_text("again to ada")
            && ben.has_text("again to ben")
            && ada.delivered().contains(&to_ben)
            && ben.delivered().contains(&to_ada)
    });
    assert!(shown[1].has("begun_again") && shown[1].has("verification_cleared"), "{shown:#?}");
    shown.iter().for_each(Shown::check_once);
}
