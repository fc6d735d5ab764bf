//! A vault that was put back from a copy.

use super::*;

/// The texts that are sent after vaults were put back, each with its message id before it.
struct Later {
    to_ada: Vec<(String, String)>,
    to_ben: Vec<(String, String)>,
}

impl Later {
    fn send(sandbox: &Sandbox) -> Self {
        let mut later = Self { to_ada: Vec::new(), to_ben: Vec::new() };
        for round in 0..3 {
            let text = format!("later {round} to ada");
            later.to_ada.push((send(&sandbox.ben, "ada", &text), text));
            let text = format!("later {round} to ben");
            later.to_ben.push((send(&sandbox.ada, "ben", &text), text));
        }
        later
    }

    /// Whether every text was shown to its reader, and reported as delivered to its sender.
    fn has_arrived(&self, [ada, ben]: &[Shown; 2]) -> bool {
        let arrived = |texts: &[(String, String)], reader: &Shown, sender: &Shown| {
            let delivered = sender.delivered();
            texts.iter().all(|(message, text)| reader.has_text(text) && delivered.contains(message))
        };
        arrived(&self.to_ada, ada, ben) && arrived(&self.to_ben, ben, ada)
    }
}

/// Checks that nothing waits, that no text was shown twice, and that the people in `put_back`, and
/// no others, were told once that their vault was put back.
#[track_caller]
fn check_end(sandbox: &Sandbox, shown: &[Shown; 2], put_back: &[&str]) {
    for (name, shown) in ["ada", "ben"].into_iter().zip(shown) {
        shown.check_once();
        let told = shown.0.iter().filter(|event| event["kind"] == "restored").count();
        assert_eq!(told, usize::from(put_back.contains(&name)), "{name}: {shown:#?}");
    }
    for person in [&sandbox.ada, &sandbox.ben] {
        let status = person.json(&["status"]).ok().json();
        let counts = ["unreceipted", "held", "missing"].map(|name| status[name].as_u64().unwrap());
        assert_eq!(counts, [0; 3], "{status}");
    }
}

/// Copies the folders of the people in `names`, waits for [`NOTED`], calls `undone`, and puts the
/// folders back: the vaults have forgotten what `undone` did.
fn put_back(sandbox: &Sandbox, names: &[&str], undone: impl FnOnce(&Sandbox)) {
    let saved = |name: &str| sandbox.folder.path().join(format!("{name}-saved"));
    for name in names {
        copy(&sandbox.person(name).home, &saved(name));
    }
    thread::sleep(NOTED);
    undone(sandbox);
    for name in names {
        copy(&saved(name), &sandbox.person(name).home);
    }
}

/// Sends one text from `from` to the other person, and waits for its receipt.
fn one_text(sandbox: &Sandbox, from: &str) {
    let people = [&sandbox.ada, &sandbox.ben];
    let (at, to) = if from == "ada" { (0, "ben") } else { (1, "ada") };
    let mut shown = [Shown::default(), Shown::default()];
    let message = send(people[at], to, "undone");
    look_until(people, &mut shown, |shown| shown[at].delivered().contains(&message));
}

/// Checks that two people heal without help of their users if, after the copy was made, only one
/// text from `from` was sent: both still have a secret that proves the session they knew.
#[track_caller]
fn heals_by_itself(names: &[&str], from: &str) {
    let sandbox = acquainted();
    put_back(&sandbox, names, |sandbox| one_text(sandbox, from));
    let later = Later::send(&sandbox);
    let mut shown = [Shown::default(), Shown::default()];
    look_until([&sandbox.ada, &sandbox.ben], &mut shown, |shown| later.has_arrived(shown));
    check_end(&sandbox, &shown, names);
}

#[test]
fn vaults_that_were_put_back_a_moment_ago_go_on_by_themselves() {
    at_once([
        ("the inviter's", || heals_by_itself(&["ada"], "ada")),
        ("the acceptor's", || heals_by_itself(&["ben"], "ben")),
        ("both, to the same moment", || heals_by_itself(&["ada", "ben"], "ben")),
    ]);
}

/// The command by which the user whose vault was put back heals the conversation.
#[derive(Clone, Copy)]
enum Help {
    Invite,
    BeginAgain,
}

/// Checks that two people heal if `undone`, which happens between the copy of `name`'s vault and
/// its return, is more than the secrets in the copy can prove: at the latest when the user whose
/// vault was put back gives the command that the program names.
#[track_caller]
fn heals_with_help(name: &str, help: Help, undone: impl FnOnce(&Sandbox)) {
    let sandbox = acquainted();
    put_back(&sandbox, &[name], undone);
    let later = Later::send(&sandbox);
    let people = [&sandbox.ada, &sandbox.ben];
    let mut shown = [Shown::default(), Shown::default()];
    for _ in 0..4 {
        for (person, shown) in people.iter().zip(shown.iter_mut()) {
            shown.look(person);
        }
    }
    let (inviter, acceptor, peer) = match name {
        "ada" => (people[0], people[1], "ben"),
        _ => (people[1], people[0], "ada"),
    };
    let told = inviter.run(&["receive", "--after", "0"]).ok().out;
    for words in ["put back from a copy", "deaddrop invite", "deaddrop begin-again"] {
        assert!(told.contains(words), "{told}");
    }
    if !later.has_arrived(&shown) {
        match help {
            Help::Invite => drop(acceptor.run(&["accept", &link(inviter, peer), name]).ok()),
            Help::BeginAgain => {
                let said = inviter.run(&["begin-again", peer]).ok().out;
                assert!(said.contains("another way") && said.contains("has to agree"), "{said}");
                let of_acceptor = &mut shown[usize::from(name == "ada")];
                of_acceptor.look(acceptor);
                assert!(of_acceptor.has("reset_requested"), "{shown:#?}");
                assert_eq!(acceptor.json(&["contacts"]).ok().json()["asks"][0]["what"], "reset");
                let agreed = acceptor.json(&["agree", name]).ok().json();
                assert_eq!(agreed["agreed"], "reset", "{agreed}");
            }
        }
    }
    look_until(people, &mut shown, |shown| later.has_arrived(shown));
    check_end(&sandbox, &shown, &[name]);
}

#[test]
fn vaults_that_were_put_back_go_on_with_a_new_invite() {
    at_once([
        ("the inviter's", || heals_with_help("ada", Help::Invite, settle)),
        ("the acceptor's", || heals_with_help("ben", Help::Invite, settle)),
    ]);
}

#[test]
fn vaults_that_were_put_back_begin_again_when_the_contact_agrees() {
    at_once([
        ("the inviter's", || heals_with_help("ada", Help::BeginAgain, settle)),
        ("the acceptor's", || heals_with_help("ben", Help::BeginAgain, settle)),
        ("one that has received since", || {
            heals_with_help("ada", Help::BeginAgain, |sandbox| one_text(sandbox, "ben"));
        }),
    ]);
}

#[test]
fn the_peer_of_a_restored_vault_is_told() {
    let sandbox = acquainted();
    put_back(&sandbox, &["ben"], |sandbox| {
        // A copy that notices at once that it was put back seals its first text twice, and sends the second envelope alone: the numbers behind the first were used, too.
        send(&sandbox.ben, "ada", "undone, too");
        send(&sandbox.ben, "ada", "and this");
        one_text(sandbox, "ben");
        // A message of Ada's that the copy finds unread begins a new turn for it, in which no number is used twice.
        look_until([&sandbox.ada, &sandbox.ben], &mut [Shown::default(), Shown::default()], |_| {
            sandbox.relay.inspect()["blobs"] == 0
        });
    });
    send(&sandbox.ben, "ada", "later");
    let mut shown = [Shown::default(), Shown::default()];
    look_until([&sandbox.ada, &sandbox.ben], &mut shown, |[ada, _]| ada.has_text("later"));
    let ada = &shown[0];
    assert!(ada.has("peer_rewound") || ada.has("session_reset"), "{ada:#?}");
    let human = sandbox.ada.run(&["receive", "--after", "0"]).ok().out;
    assert!(human.contains("put back") || human.contains("lost the session"), "{human}");
}

#[test]
fn numbers_that_were_printed_before_a_restore_hide_nothing_after_it() {
    let sandbox = Sandbox::connected();
    sandbox.ada.run(&["receive"]).ok();
    // The vault alone was put back: the file beside it names events that the vault has not given yet.
    let numbers: Vec<String> = (1..200).map(|number| number.to_string()).collect();
    fs::write(sandbox.ada.home.join("shown"), numbers.join("\n")).unwrap();
    send(&sandbox.ben, "ada", "hello");
    let said = sandbox.ada.json(&["receive", "--from", "ben"]).ok();
    assert_eq!(common::texts(&said.lines()), ["hello"], "{said:?}");
}
