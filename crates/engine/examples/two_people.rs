//! Two people meet over a relay that this program plays: `cargo run -p deaddrop-engine --features testing --example two_people`.
#![allow(clippy::print_stdout)]

use deaddrop_engine::testing::MemoryVault;
use deaddrop_engine::{Acceptance, BlobLives, Day, Engine, EngineError, EventKind, PutJob};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;

type Person = Engine<MemoryVault, StdRng>;

fn person(seed: u64, relay: Option<&str>, now: u64) -> Result<Person, Box<dyn std::error::Error>> {
    let relay = relay.map(str::parse).transpose()?;
    // Generators of real people take their seed from the operating system.
    Ok(Engine::create(MemoryVault::new(), StdRng::seed_from_u64(seed), relay.as_ref(), now)?)
}

/// Carries what `from` has for the contact `id` into the first mailbox of `to`, as a relay does.
fn carry(from: &mut Person, id: u32, to: &mut Person, relay: &str, today: Day) -> Result<(), EngineError> {
    // The relay creates the mailboxes that a person wants.
    for person in [&mut *from, &mut *to] {
        for mailbox in person.mailboxes_at(relay) {
            person.mailbox_created(mailbox.name)?;
        }
    }
    let jobs = from.take_puts(id, &BTreeSet::new(), 16);
    let sent: Vec<_> = jobs.iter().map(PutJob::sent).collect();
    from.mark_stored_at_relay(id, &sent, BlobLives::DEFAULT, today)?;
    if let Some(mailbox) = to.mailboxes_at(relay).first() {
        for job in &jobs {
            to.delivered(mailbox.name, &job.envelope, today)?;
        }
    }
    Ok(())
}

/// Runs the example.
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let relay = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let now = 1_795_000_000;
    let today = Day::of_unix_seconds(now);
    let (mut ada, mut ben) = (person(1, Some(relay), now)?, person(2, None, now)?);

    // Ada invites. The relay stores the bundle and makes the mailbox for the answer; then she gives the link to Ben.
    let to_ben = ada.begin_invite("Ben", today, 7)?;
    let publication = ada.publication(to_ben).ok_or("a new invite is not published")?;
    ada.published(to_ben)?;
    let link = ada.link_text(to_ben).ok_or("the invite is open")?.parse()?;

    // Ben accepts with the bundle from the relay, and writes.
    let to_ada = ben.begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today)?;
    ben.send_text("Ada", "hello", now)?;
    carry(&mut ben, to_ada, &mut ada, relay, today)?;

    for event in ada.events_after(0, 100)? {
        if let EventKind::MessageReceived { text, .. } = event.kind {
            println!("Ada received: {text}");
            return Ok(());
        }
    }
    Err("the text did not arrive".into())
}
