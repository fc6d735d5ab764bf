//! The story: two people, a relay, a flight, told while it really happens.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{
    person::{News, Person},
    plan::{Pair, Side},
    relay_process::RelayProcess,
    screens,
};
use crate::{failure::Failure, output::Output};

/// Maximum time of a step of the story. A step that takes longer fails the demonstration.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two counts of the blobs at the relay.
const INSPECT_EVERY: Duration = Duration::from_millis(50);

/// The story that `demo` tells people while it happens. For programs only its figures are printed.
pub struct Story<'a> {
    output: Output,
    relay: &'a mut RelayProcess,
    people: &'a mut Pair<Person>,
}

impl<'a> Story<'a> {
    /// Creates a story with a running relay and two people who have vaults and do not know each
    /// other.
    pub fn new(output: Output, relay: &'a mut RelayProcess, people: &'a mut Pair<Person>) -> Self {
        Self { output, relay, people }
    }

    /// Tells the story. Fails if a call fails, if a step takes longer than half a minute, or if the
    /// relay still holds a blob at the end.
    pub async fn tell(&mut self) -> Result<(), Failure> {
        self.meet().await?;
        self.fly().await?;
        self.forget().await
    }

    async fn meet(&mut self) -> Result<(), Failure> {
        let output = self.output;
        output.text(format_args!(
            "deaddrop: two people, a relay, a flight. All of it is real, and runs on this machine only.\n\n\
             1. A relay runs as a process of its own, with its store on disk. Its address carries its fingerprint,\n   \
             so no other relay can stand in for it:\n\n    {}\n",
            self.relay.address()
        ))?;
        self.show_relay("What the relay can see now (`inspect`, all that an operator has):").await?;
        output.text(
            "2. Ada and Ben each have an encrypted vault of their own. Ada makes an invite: a link that works once,\n   \
             which she shows or sends to Ben in any way she likes.\n",
        )?;
        let link = self.people.one.invite("Ben").await?;
        output.text(format_args!("    {link}\n"))?;
        output.text("   Ben accepts it. From here on each has a private mailbox for the other.\n")?;
        self.people.two.accept(&link, "Ada").await?;
        output.text(screens::head("Ada", "Ben"))?;
        self.say(Side::Two, "Hi Ada, got your link.").await?;
        self.say(Side::One, "Hello Ben! No one between us can read this.").await?;
        self.say(Side::Two, "Not the relay either?").await?;
        self.say(
            Side::One,
            "It holds sealed blobs of one size until we have read them. Then it forgets them.",
        )
        .await?;
        let numbers = [self.people.one.safety_number().await?, self.people.two.safety_number().await?];
        let [one, two] = &numbers;
        self.row(Side::One, &format!("(safety number: {one})"))?;
        self.row(Side::Two, &format!("(safety number: {two})"))?;
        if one != two {
            return Err(Failure::new("the safety numbers differ: somebody sits in between"));
        }
        output.text("\n   The safety numbers are the same on both sides: no one sits in between.\n")
    }

    async fn fly(&mut self) -> Result<(), Failure> {
        self.say_heading("3. Ben boards a plane: his program ends, he is offline. Ada goes on writing.\n")?;
        self.output.text(screens::head("Ada", "Ben"))?;
        self.people.two.close().await;
        self.row(Side::Two, "(offline)")?;
        let missed =
            ["Have a good flight!", "When you land: I moved the dinner to eight.", "And bring the map."];
        for text in missed {
            self.people.one.send(text).await?;
            self.row(Side::One, &format!("you: {text}"))?;
        }
        self.until_stored().await?;
        let held = self.relay.blobs().await?;
        self.row(Side::One, "(stored on the relay, not yet delivered)")?;
        self.output
            .text(format_args!("\n   The relay holds {held} blobs for somebody who is not there.\n"))?;
        self.show_relay("What the relay can see now:").await?;
        self.say_heading("4. Ben lands: he opens his vault and gets everything, once and in order. Ada gets the receipts.\n")?;
        self.output.text(screens::head("Ada", "Ben"))?;
        self.people.two.open().await?;
        self.row(Side::Two, "(online)")?;
        for text in missed {
            self.hear(Side::Two, text).await?;
        }
        self.receipts(Side::One).await?;
        self.row(Side::One, &format!("(delivered: all {})", self.people.one.receipted()))?;
        self.say(Side::Two, "Landed. Eight is fine, I have the map.").await
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        self.receipts(Side::Two).await?;
        self.row(Side::Two, &format!("(delivered: all {})", self.people.two.receipted()))?;
        let begin = Instant::now();
        let mut held = self.relay.blobs().await?;
        while held > 0 && begin.elapsed() < PATIENCE {
            sleep(INSPECT_EVERY).await;
            held = self.relay.blobs().await?;
        }
        self.say_heading(
            "\n5. Everything is read and confirmed, so the relay has destroyed the key of every blob.\n",
        )?;
        self.show_relay("What the relay can see now:").await?;
        let texts = self.people.one.got() + self.people.two.got();
        self.output.say(
            format_args!("{texts} messages, each delivered once; the relay holds {held} blobs. Nothing of this demo is left on disk."),
            &serde_json::json!({ "messages": texts, "relay_blobs": held }),
        )?;
        if held > 0 { Err(Failure::new("the relay has not forgotten everything")) } else { Ok(()) }
    }

    /// Lets one side send a text, shows it, and waits until the other side gets it.
    async fn say(&mut self, side: Side, text: &str) -> Result<(), Failure> {
        self.people.of_mut(side).send(text).await?;
        self.row(side, &format!("you: {text}"))?;
        self.hear(side.other(), text).await
    }

    /// Waits until a side gets a text, and shows it. Fails if it is another one than `text`, or
    /// does not come in time.
    async fn hear(&mut self, side: Side, text: &str) -> Result<(), Failure> {
        let news = async {
            loop {
                if let News::Text(text) = self.people.of_mut(side).next().await? {
                    return Ok::<_, Failure>(text);
                }
            }
        };
        let got = timeout(PATIENCE, news).await.map_err(|_| Failure::new("a message did not arrive"))??;
        if got != text {
            return Err(Failure::new("another message arrived than was sent"));
        }
        let name = self.people.of(side.other()).name();
        self.row(side, &format!("{name}: {got}"))
    }

    /// Waits until the receipts of all texts that a side sent have come.
    async fn receipts(&mut self, side: Side) -> Result<(), Failure> {
        let Pair { one, two } = &mut *self.people;
        let (mine, other) = match side {
            Side::One => (one, two),
            Side::Two => (two, one),
        };
        let all = async {
            while mine.receipted() < mine.sent() {
                // The other has to be awake to send its receipts, and may hear news of its own meanwhile.
                tokio::select! {
                    news = mine.next() => news?,
                    news = other.next() => news?,
                };
            }
            Ok(())
        };
        timeout(PATIENCE, all).await.map_err(|_| Failure::new("a receipt did not arrive"))?
    }

    async fn until_stored(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        while self.people.one.queued().await? > 0 {
            if begin.elapsed() > PATIENCE {
                return Err(Failure::new("the relay does not store what is sent"));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn show_relay(&mut self, heading: &str) -> Result<(), Failure> {
        let seen: String =
            self.relay.inspect(&[]).await?.lines().map(|line| format!("      {line}\n")).collect();
        self.output.text(format_args!("   {heading}\n\n{seen}"))
    }

    fn say_heading(&self, text: &str) -> Result<(), Failure> {
        self.output.text(text)
    }

    fn row(&self, side: Side, text: &str) -> Result<(), Failure> {
        self.output.text(screens::row(side, text))
    }
}
