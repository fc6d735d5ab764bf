//! "Delivered" is reported only for the very content that the peer's vault holds, whatever was put
//! back.

use super::*;

fn delivered(person: &mut Person) -> Vec<deaddrop_e2ee::content::MessageId> {
    let events = person.engine().events_after(0, usize::MAX).unwrap();
    events
        .into_iter()
        .filter(|event| event.kind == EventKind::Delivered)
        .map(|event| event.message.unwrap())
        .collect()
}

#[test]
fn a_text_under_a_used_number_is_delivered_only_when_it_is_shown() {
    let mut world = World::new(50);
    world.say(1);
    world.settle();
    let copy = world.people[1].copy();
    world.say(1);
    world.settle();
    // Ben's vault is put back. Nothing tells it so; the next text gets a number that Ada has taken.
    let today = world.today;
    world.people[1].put_back(&copy, today);
    let number = world.people[1].engine().contacts[&1].row.outgoing.next;
    let message = world.people[1].engine().send_text("Ada", "after the restore", NOW).unwrap();
    assert!(world.people[1].engine().contacts[&1].items.contains_key(&number));
    world.settle_in_time();
    let shown = world.people[0].texts();
    assert_eq!(shown.iter().filter(|text| *text == "after the restore").count(), 1, "{shown:?}");
    assert!(delivered(&mut world.people[1]).contains(&message));
    assert_eq!(world.people[1].engine().waiting(), (0, 0));
}

#[test]
fn receipts_that_were_overtaken_end_nothing() {
    let mut world = World::new(51);
    world.say(1);
    world.settle();
    world.say(1);
    world.say(1);
    let today = world.today;
    let ben = world.people[1].engine();
    let contact = &ben.contacts[&1];
    let (confirmed, digest) = (contact.row.outgoing.confirmed, contact.row.outgoing.digest.short());
    let last = contact.row.outgoing.next - 1;
    let take = |ben: &mut TestEngine, low_water, digest| {
        let mut step = ben.step();
        let receipt = peer::Receipt { low_water, digest, sparse: vec![], is_counted: false };
        ben.apply_receipt(&mut step, 1, receipt, today).unwrap();
        ben.finish(step).unwrap();
    };
    take(ben, confirmed - 1, Some([9; 16]));
    take(ben, last, None);
    assert_eq!(ben.contacts[&1].items.len(), 2, "an old one, and one without a digest");
    assert_eq!(ben.contacts[&1].row.outgoing.drawn_on, 0);
    take(ben, last, Some(digest));
    assert!(ben.contacts[&1].items.is_empty());
}

#[test]
fn a_peer_that_lies_draws_one_stream_a_day_and_is_told_of() {
    let mut world = World::new(52);
    world.say(1);
    world.settle();
    world.say(1);
    let today = world.today;
    let ben = world.people[1].engine();
    let mut streams = BTreeSet::new();
    for day in 0..3 {
        for _ in 0..20 {
            let mut step = ben.step();
            let receipt =
                peer::Receipt { low_water: 1_000, digest: Some([1; 16]), sparse: vec![], is_counted: false };
            ben.apply_receipt(&mut step, 1, receipt, today.plus(day)).unwrap();
            ben.finish(step).unwrap();
            streams.insert(ben.contacts[&1].row.outgoing.id);
        }
    }
    assert_eq!(streams.len(), 3);
    assert_eq!(ben.waiting().1, 1, "nothing is delivered");
    let told = world.people[1].kinds().into_iter().filter(|kind| *kind == EventKind::PeerDisagrees).count();
    assert_eq!(told, 1);
}

#[test]
fn vaults_that_are_put_back_at_any_step_lose_and_repeat_nothing() {
    let mut healed_by_invite = 0;
    for seed in 0..40 {
        let mut world = World::new(100 + seed);
        world.say(1);
        world.settle();
        let mut copies: [Option<(MemoryVault, usize)>; 2] = [None, None];
        let mut lost: [BTreeSet<String>; 2] = [BTreeSet::new(), BTreeSet::new()];
        let mut forgotten: [BTreeSet<String>; 2] = [BTreeSet::new(), BTreeSet::new()];
        let mut restored = None;
        let put_back_at = world.rng.random_range(40..160);
        for at in 0..200 {
            let who = world.rng.random_range(0..2);
            if at == put_back_at {
                let today = world.today;
                let is_noticed = seed % 2 == 0;
                let sides: &[usize] = [&[0][..], &[1], &[0, 1]][world.rng.random_range(0..3)];
                for who in sides {
                    let Some((copy, said)) = copies[*who].take() else { continue };
                    let before = world.people[*who].texts();
                    world.people[*who].put_back(&copy, today);
                    let kept = world.people[*who].texts();
                    // What it had shown since, it has forgotten; its peer may know it to be delivered.
                    forgotten[1 - *who].extend(before.into_iter().filter(|text| !kept.contains(text)));
                    if is_noticed {
                        world.people[*who].engine().note_restored(NOW, DAY).unwrap();
                    }
                    restored = Some(*who);
                    // What it said since is gone from its vault; the peer may have it or not.
                    lost[*who] = world.people[*who].sent.drain(said..).collect();
                }
            }
            match world.rng.random_range(0..40) {
                0..10 => {
                    let text = format!("line {at} of {who}");
                    world.people[who].engine().send_text(NAMES[1 - who], &text, NOW).unwrap();
                    world.people[who].sent.push(text);
                }
                10..22 => drop(world.put(who, true)),
                22..34 => drop(world.deliver(who, true)),
                34..37 => drop(world.receipt(who)),
                37 => world.make_mailboxes(),
                _ if at < put_back_at => {
                    let said = world.people[who].sent.len();
                    copies[who] = Some((world.people[who].copy(), said));
                }
                _ => {}
            }
        }
        for _ in 0..2 {
            world.settle_in_time();
            world.today = world.today.plus(32);
            let today = world.today;
            world.people.iter_mut().for_each(|person| person.engine().begin_day(today).unwrap());
        }
        world.settle_in_time();
        if let Some(who) = restored
            && [0, 1].iter().any(|who| world.people[*who].engine().waiting() != (0, 0))
        {
            let told = [
                EventKind::SessionLost,
                EventKind::StaleReset,
                EventKind::PeerRewound,
                EventKind::Restored,
                EventKind::PeerDisagrees,
            ];
            let kinds = [0, 1].map(|who| world.people[who].kinds());
            assert!(
                kinds.iter().flatten().any(|kind| told.contains(kind)),
                "seed {seed}: no user is told: {kinds:?}"
            );
            healed_by_invite += 1;
            super::healing::invite_again(&mut world, who, 1 - who);
            for _ in 0..3 {
                world.settle_in_time();
                world.today = world.today.plus(1);
            }
        }
        for who in [0, 1] {
            let shown = world.people[1 - who].texts();
            let unique: BTreeSet<&String> = shown.iter().collect();
            assert_eq!(
                unique.len(),
                shown.len(),
                "seed {seed}: {} shows a text twice: {shown:?}",
                NAMES[1 - who]
            );
            let sent = world.people[who].sent.clone();
            let delivered = delivered(&mut world.people[who]).len();
            let waiting = world.people[who].engine().waiting();
            let kinds = [0, 1].map(|who| world.people[who].kinds());
            let missing: Vec<&String> =
                sent.iter().filter(|text| !shown.contains(text) && !forgotten[who].contains(*text)).collect();
            assert!(
                missing.is_empty() && waiting == (0, 0) && delivered > 0,
                "seed {seed}: of {}: missing {missing:?}, waiting {waiting:?}, {kinds:?}",
                NAMES[who]
            );
            assert!(shown.iter().all(|text| sent.contains(text) || lost[who].contains(text)));
        }
    }
    assert!(healed_by_invite < 20, "{healed_by_invite} of 40 did not heal by themselves");
}
