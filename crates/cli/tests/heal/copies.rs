//! A folder that was copied to a second place, and both are used.

use super::*;

#[test]
fn two_copies_of_a_folder_that_are_used_in_turn_lose_nothing_in_silence() {
    let sandbox = acquainted();
    let (ada, first) = (&sandbox.ada, &sandbox.ben);
    let second = sandbox.person("second");
    copy(&first.home, &second.home);
    let mut shown = [Shown::default(), Shown::default(), Shown::default()];
    let (mut to_ada, mut to_ben) = (Vec::new(), Vec::new());
    for round in 0..2 {
        thread::sleep(NOTED);
        for (name, copy) in [("first", first), ("second", &second)] {
            let text = format!("{round} from the {name}");
            to_ada.push((send(copy, "ada", &text), text));
            let text = format!("{round} while the {name} is used");
            to_ben.push((send(ada, "ben", &text), text));
            shown[0].look(ada);
            shown[if name == "first" { 1 } else { 2 }].look(copy);
            shown[0].look(ada);
        }
    }
    let all = |shown: &[Shown; 3], text: &str| shown[1].has_text(text) || shown[2].has_text(text);
    for _ in 0..ROUNDS {
        for (person, shown) in [ada, first, &second].into_iter().zip(&mut shown) {
            shown.look(person);
        }
        if to_ada.iter().all(|(_, text)| shown[0].has_text(text))
            && to_ben.iter().all(|(_, text)| all(&shown, text))
        {
            break;
        }
    }
    shown.iter().for_each(Shown::check_once);
    // A message is told to be delivered only if it was shown.
    let delivered: BTreeSet<String> = shown[1..].iter().flat_map(Shown::delivered).collect();
    for (message, text) in &to_ada {
        assert!(shown[0].has_text(text) || !delivered.contains(message), "{text}: {shown:#?}");
    }
    for (message, text) in &to_ben {
        assert!(all(&shown, text) || !shown[0].delivered().contains(message), "{text}: {shown:#?}");
    }
    // One of the copies at least has learnt of the other, and says so.
    let is_told = |shown: &Shown| shown.has("restored") || shown.has("displaced");
    assert!(shown[1..].iter().any(is_told), "{shown:#?}");
    // What was not shown waits, and is counted.
    let waiting = |person: &Person| person.json(&["status"]).ok().json()["unreceipted"].as_u64().unwrap();
    let lost = to_ada.iter().filter(|(_, text)| !shown[0].has_text(text)).count() as u64;
    assert!(lost <= waiting(first) + waiting(&second), "{lost} are lost in silence: {shown:#?}");
    let lost = to_ben.iter().filter(|(_, text)| !all(&shown, text)).count() as u64;
    assert!(lost <= waiting(ada), "{lost} are lost in silence: {shown:#?}");
}

#[test]
fn after_one_of_two_copies_is_given_up_everything_flows() {
    let sandbox = acquainted();
    let second = sandbox.person("second");
    copy(&sandbox.ben.home, &second.home);
    thread::sleep(NOTED);
    let mut of_second = Shown::default();
    send(&second, "ada", "from the second");
    let people = [&sandbox.ada, &sandbox.ben];
    let mut shown = [Shown::default(), Shown::default()];
    shown[0].look(&sandbox.ada);
    of_second.look(&second);
    // From here on the first alone is used.
    let to_ada = send(&sandbox.ben, "ada", "from the first");
    let to_ben = send(&sandbox.ada, "ben", "to the first");
    look_until(people, &mut shown, |[ada, ben]| {
        ada.has_text("from the first")
            && ben.has_text("to the first")
            && ada.delivered().contains(&to_ben)
            && ben.delivered().contains(&to_ada)
    });
    assert!(shown[0].has_text("from the second"), "{shown:#?}");
    assert!(shown[1].has("restored"), "{shown:#?}");
    shown.iter().for_each(Shown::check_once);
}
