//! One side of a conversation as a process: a line of JSON in, a line out. For trying another implementation against
//! this one (spec/15-conformance.md section 6). Its randomness comes from a seed: never use it to talk in earnest.

use crate::{
    class::Class as _,
    json::{BadField, Json, Object},
};
use deaddrop_e2ee::{
    identity::IdentityKeyPair,
    invite::{InviteSecret, PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::io::{BufRead, Write};

/// One person of a conversation: an identity, and an invite and a session once there are some.
pub struct Talk {
    rng: ChaCha20Rng,
    identity: IdentityKeyPair,
    invite: Option<PendingInvite>,
    session: Option<Session>,
}

impl Talk {
    /// Makes a person whose identity and later randomness come from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = IdentityKeyPair::generate(&mut rng);
        Self { rng, identity, invite: None, session: None }
    }

    /// Answers every line of `input` with a line of `output`, until the input ends. A line that
    /// cannot be answered gets an error as its answer; a blank line gets none.
    ///
    /// # Errors
    /// Fails with the error of reading or writing.
    pub fn serve(&mut self, input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
        for line in input.lines() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let answer = match Json::parse(&line) {
                Ok(Json::Object(step)) => self.step(&step).unwrap_or_else(|BadField(field)| error(&field)),
                _ => error("not a JSON object"),
            };
            writeln!(output, "{}", Json::from(answer).render_line())?;
            output.flush()?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Object) -> Result<Object, BadField> {
        let today = Day::from_number(step.number("today")?);
        let bad = |field: &str| BadField(field.to_owned());
        let answer = Object::new();
        Ok(match step.text("do")? {
            "identity" => answer.hex("identity_key", self.identity.identity_key().as_bytes()),
            "invite" => {
                let not_after = Day::from_number(step.number("not_after")?);
                let made =
                    PendingInvite::create(&self.identity, not_after, &step.bytes("address")?, &mut self.rng);
                let (invite, blob) = made.map_err(|_| bad("address"))?;
                let answer = answer.hex("h", invite.secret().expose()).hex("blob", blob);
                (self.invite, self.session) = (Some(invite), None);
                answer
            }
            "initiate" => {
                let secret = InviteSecret::from_bytes(step.array("h")?);
                let own = self.identity.identity_key().hash();
                let blob = step.bytes("blob")?;
                let bundle = match VerifiedBundle::open(&secret, &blob, own, None, today) {
                    Ok(bundle) => bundle,
                    Err(error) => return Ok(answer.with("refused", error.class())),
                };
                match Session::initiate(&self.identity, &bundle, &mut self.rng) {
                    Ok((session, _)) => self.session = Some(session),
                    Err(error) => return Ok(answer.with("refused", error.class())),
                }
                answer.hex("address", bundle.address())
            }
            "send" => {
                let session = self.session.as_mut().ok_or_else(|| bad("session"))?;
                match session.encrypt(&step.bytes("content")?, &mut self.rng) {
                    Ok((envelope, _)) => answer.hex("envelope", envelope.as_bytes()),
                    Err(error) => answer.with("refused", error.class()),
                }
            }
            "receive" => {
                let envelope = step.bytes("envelope")?;
                let content = match (&mut self.session, &self.invite) {
                    (Some(session), _) => session
                        .decrypt(&self.identity, &envelope, today)
                        .map(|opened| opened.content)
                        .map_err(|error| error.class()),
                    (None, Some(invite)) => {
                        match invite.accept(&self.identity, &envelope, |_| false, today) {
                            Ok(accepted) => {
                                self.session = Some(accepted.session);
                                Ok(accepted.content)
                            }
                            Err(error) => Err(error.class()),
                        }
                    }
                    (None, None) => return Err(bad("session")),
                };
                match content {
                    Ok(content) => answer.hex("content", &*content),
                    Err(class) => answer.with("refused", class),
                }
            }
            _ => return Err(bad("do")),
        })
    }
}

impl core::fmt::Debug for Talk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Talk(..)")
    }
}

fn error(what: &str) -> Object {
    Object::new().with("error", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(talk: &mut Talk, line: &str) -> String {
        let mut out = Vec::new();
        talk.serve(line.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn field(answer: &str, name: &str) -> String {
        let Json::Object(object) = Json::parse(answer).unwrap() else { panic!("{answer}") };
        hex::encode(object.bytes(name).unwrap())
    }

    #[test]
    fn two_processes_would_talk() {
        let (mut one, mut two) = (Talk::new(1), Talk::new(2));
        let invite = ask(&mut two, r#"{"do":"invite","today":20780,"not_after":20787,"address":"00"}"#);
        assert_eq!(invite.lines().count(), 1);
        let (h, blob) = (field(&invite, "h"), field(&invite, "blob"));
        ask(&mut one, &format!(r#"{{"do":"initiate","today":20780,"h":"{h}","blob":"{blob}"}}"#));
        // An empty Hello.
        let sent = ask(&mut one, r#"{"do":"send","today":20780,"content":"010001000000"}"#);
        let envelope = field(&sent, "envelope");
        let receive = format!(r#"{{"do":"receive","today":20780,"envelope":"{envelope}"}}"#);
        assert_eq!(field(&ask(&mut two, &receive), "content"), "010001000000");
        assert!(ask(&mut two, &receive).contains(r#""refused": "duplicate""#));
        assert!(ask(&mut two, "what").contains("not a JSON object"));
        assert!(ask(&mut two, r#"{"do":"dance","today":1}"#).contains(r#""error": "do""#));
        assert!(ask(&mut two, r#"{"do":"identity"}"#).contains(r#""error": "today""#));
    }

    #[test]
    fn what_comes_too_early_or_does_not_fit_is_an_error() {
        let mut talk = Talk::new(3);
        for request in
            [r#"{"do":"send","today":1,"content":""}"#, r#"{"do":"receive","today":1,"envelope":"00"}"#]
        {
            assert!(ask(&mut talk, request).contains(r#""error": "session""#), "{request}");
        }
        let invite = |len: usize| {
            let address = "00".repeat(len);
            format!(r#"{{"do":"invite","today":1,"not_after":9,"address":"{address}"}}"#)
        };
        assert!(ask(&mut talk, &invite(513)).contains(r#""error": "address""#));
        let one = ask(&mut talk, &invite(512));
        assert_ne!(field(&one, "h"), field(&ask(&mut talk, &invite(512)), "h"));
        assert_eq!(ask(&mut Talk::new(3), &invite(512)), one, "all of it comes from the seed");
    }
}
