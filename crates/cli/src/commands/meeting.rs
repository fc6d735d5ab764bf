//! Commands that connect two people, for the first time or again: `invite`, `accept`, `agree`, `begin-again`.

use deaddrop_client::{
    Client, ClientError, Config, ContactAsks, ContactInfo, ContactState, MAX_PASTED, PasteError, Patience,
    SafetyNumber, SendWait, read_pasted_invite,
};
use serde_json::json;

use super::{
    relays,
    shared::{GOODBYE, LONGEST_WAIT, client_patience, finish, home_of, open, patiently, read_stdin},
};
use crate::{
    args::{self, Common},
    failure::Failure,
    home::Home,
    output::{Output, Shown, Typed},
    qr, token,
};

/// Runs the command `invite`.
pub async fn invite(output: Output, common: &Common, invite: &args::Invite) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    let config = Config { invite_days: u32::from(invite.days), ..Config::default() };
    let client = home.open(common, config).await?;
    let state = find(&client, &invite.name).map(|contact| contact.state);
    let link = patiently(output, None, Box::pin(client.invite(&invite.name))).await;
    let relay = client.relay().ok().flatten().map_or_else(String::new, |relay| relay.to_string());
    finish(client).await?;
    let name = Shown(&invite.name);
    let link = match link {
        Ok(link) => link,
        Err(error @ ClientError::InviteOpen) => {
            let (typed, home) = (Typed(&invite.name), home_of(common)?);
            return Err(Failure::of(
                error,
                format_args!(
                    "there is a contact of this name already, and the invite that you made for {name} can still be accepted. Show its \
                     link once more: deaddrop --home {home} invites {typed}. Or end it: deaddrop --home {home} withdraw {typed}"
                ),
            ));
        }
        Err(error) => {
            return Err(relays::needs_token(error, &relay, common)?.unwrap_or_else(|| error.into()));
        }
    };
    print_link(output, &link)?;
    output.text(format_args!(
        "\nGive this link to {name} alone: it works once, for {}. The first person who uses it is \"{name}\" to you,\n\
         until you compare the safety number (verify).",
        crate::output::counted(invite.days, "day")
    ))?;
    let again = state.is_some_and(|state| state != ContactState::Invited);
    if again {
        output.text(format_args!(
            "{name} is a contact already: when the link is accepted, the two of you begin again. What was not delivered is sent\n\
             again, and the safety number is to be compared once more."
        ))?;
    }
    output.object(&json!({ "name": invite.name, "link": link, "days": invite.days, "begins_again": again }))
}

fn print_link(output: Output, link: &str) -> Result<(), Failure> {
    if let Some(drawn) = qr::draw(link).filter(|_| !output.is_json()) {
        output.text(drawn)?;
    }
    output.text(link)
}

/// Runs the command `invites`.
pub async fn invites(output: Output, common: &Common, invites: &args::Invites) -> Result<(), Failure> {
    let client = open(common).await?;
    let (contacts, link) = (client.contacts(), invites.name.as_ref().map(|name| client.invite_link(name)));
    let named = invites.name.as_ref().and_then(|name| find(&client, name));
    finish(client).await?;
    let (contacts, link) = (contacts?, link.transpose()?);
    if let (Some(link), Some(contact)) = (link, named) {
        print_link(output, &link)?;
        let until = contact.invite_until.map(|day| day.to_string());
        output.text(format_args!(
            "\nGive this link to {} alone. {}",
            Shown(&contact.name),
            last_day(&contact)
        ))?;
        return output.object(&json!({ "name": contact.name, "link": link, "until": until }));
    }
    let open: Vec<_> = contacts.into_iter().filter(|contact| contact.invite_until.is_some()).collect();
    if open.is_empty() {
        output.text("No invite is open.")?;
    }
    for contact in open {
        let until = contact.invite_until.map(|day| day.to_string());
        output.say(
            format_args!("{}: {}", Shown(&contact.name), last_day(&contact)),
            &json!({ "name": contact.name, "until": until }),
        )?;
    }
    Ok(())
}

fn last_day(contact: &ContactInfo) -> String {
    contact.invite_until.map_or_else(String::new, |day| format!("It can be accepted until {} (UTC).", day))
}

/// Runs the command `withdraw`.
pub async fn withdraw(output: Output, common: &Common, withdraw: &args::Withdraw) -> Result<(), Failure> {
    let client = open(common).await?;
    let withdrawn = client.withdraw_invite(&withdraw.name).await;
    if withdrawn.is_ok() {
        let _ = client.flush_reachable(GOODBYE).await;
    }
    let status = client.status();
    finish(client).await?;
    withdrawn?;
    let name = Shown(&withdraw.name);
    let rest = if status?.deletions == 0 {
        ""
    } else {
        " What lies at the relay for it goes with one of your next commands."
    };
    output.say(
        format_args!("The invite of {name} is withdrawn: its link connects to you no more.{rest}"),
        &json!({ "name": withdraw.name, "withdrawn": true }),
    )
}

/// Runs the command `accept`.
pub async fn accept(output: Output, common: &Common, accept: &args::Accept) -> Result<(), Failure> {
    let token = accept.relay_token_file.as_deref().map(token::from_file).transpose()?;
    let invite = match accept.link.as_str() {
        "-" => read_pasted_invite(&read_stdin(MAX_PASTED)?.ok_or(PasteError::TooLong)?)?,
        link => read_pasted_invite(link)?,
    };
    let client = open(common).await?;
    let (text, contact) = (invite.to_text(), accept.name.as_str());
    let link = text.as_str();
    let again = find(&client, contact).is_some_and(|known| known.state != ContactState::Invited);
    let accepted = match token {
        Some(token) => client.set_create_token(invite.relay(), Some(token)).await,
        None => Ok(()),
    };
    // The command waits for the answer for as long as bytes of it move.
    let accepting = async {
        accepted?;
        match () {
            () if accept.allow_private => client.accept_at_private_address(link, contact).await?,
            () if accept.new_identity => client.accept_new_identity(link, contact).await?,
            () => client.accept(link, contact).await?,
        }
        let patience = Patience::while_moving(client_patience(), LONGEST_WAIT);
        Ok::<_, ClientError>(client.flush_to(contact, patience).await)
    };
    let answered = match patiently(output, None, Box::pin(accepting)).await {
        Ok(answered) => answered,
        Err(error) => {
            finish(client).await?;
            return Err(relays::accept_failure(error, invite.relay(), common, accept)?);
        }
    };
    // The used invite is emptied, and other waiting messages leave, as far as relays answer.
    let _ = client.flush_reachable(client_patience()).await;
    finish(client).await?;
    let (name, typed, home) = (Shown(contact), Typed(contact), home_of(common)?);
    let (state, human) = match answered?.why {
        None if again => (
            "answered",
            format!(
                "Connected again with {name}: what was not delivered is sent again. Compare the safety number once more: \
                 deaddrop --home {home} verify {typed}"
            ),
        ),
        None => ("answered", format!("Connected. Say hello: deaddrop --home {home} send {typed} 'hello'")),
        Some(SendWait::NeedsToken { relay }) => (
            "needs_token",
            format!(
                "The invite of {name} is accepted, but the relay {relay} makes no mailbox without the right token: the answer is queued. Ask the \
                 relay's operator for the right token, and set it: deaddrop --home {home} relay-token --relay '{relay}'. The answer leaves \
                 with your next command."
            ),
        ),
        Some(why) => (
            "queued",
            format!(
                "The invite of {name} is accepted, but not answered yet: {why}. The answer is queued, and leaves with your next command."
            ),
        ),
    };
    output.say(human, &json!({ "name": contact, "state": state, "begins_again": again }))
}

/// Runs the command `agree`.
pub async fn agree(output: Output, common: &Common, agree: &args::Agree) -> Result<(), Failure> {
    let client = open(common).await?;
    let asks = find(&client, &agree.name).map(|contact| contact.asks).unwrap_or_default();
    let chosen = match &agree.what {
        _ if agree.decline => None,
        None if asks.len() > 1 => {
            finish(client).await?;
            let lines: Vec<String> = asks
                .iter()
                .map(|one| format!("{} {}", Shown(&agree.name), asks_line(&agree.name, one, &asks)))
                .collect();
            return Err(Failure::new(format_args!(
                "{} asks for several things; say to which you agree:\n{}",
                Shown(&agree.name),
                lines.join("\n")
            )));
        }
        None => asks.first().cloned(),
        Some(what) => {
            let fitting: Vec<_> = asks.iter().filter(|asks| is_chosen(asks, what)).collect();
            match fitting.as_slice() {
                [one] => Some((*one).clone()),
                _ => {
                    finish(client).await?;
                    let lines: Vec<String> =
                        asks.iter().map(|one| asks_line(&agree.name, one, &asks)).collect();
                    let name = Shown(&agree.name);
                    return Err(Failure::new(if lines.is_empty() {
                        format!("{name} asks for nothing")
                    } else {
                        format!(
                            "{name} asks for this, and what you typed fits {} of it:\n{}",
                            fitting.len(),
                            lines.join("\n")
                        )
                    }));
                }
            }
        }
    };
    let agreed = match &chosen {
        _ if agree.decline => client.decline(&agree.name).await,
        Some(chosen) => client.agree(&agree.name, chosen).await,
        None if find(&client, &agree.name).is_none() => Err(ClientError::UnknownContact),
        None => Err(ClientError::NothingAsked),
    };
    if agreed.is_ok() {
        // Messages that waited for this leave now, if the relay listens.
        let _ = client.flush_reachable(GOODBYE).await;
    }
    finish(client).await?;
    let (name, typed, home) = (Shown(&agree.name), Typed(&agree.name), home_of(common)?);
    match agreed {
        Ok(()) => {}
        Err(error @ ClientError::NothingAsked) => {
            return Err(Failure::of(
                error,
                format_args!(
                    "{name} asks for nothing, or what it asked for is over. If no texts come, make a new invite: \
                 deaddrop --home {home} invite {typed}"
                ),
            ));
        }
        Err(error) => return Err(error.into()),
    }
    let Some(chosen) = chosen else {
        let human = format!("Declined. {name} may ask again.");
        return output.say(human, &json!({ "name": agree.name, "declined": true }));
    };
    let human = match chosen {
        ContactAsks::NewIdentity(_) => {
            format!("{name} has another identity from now on, and you begin again with it.")
        }
        _ => format!("You begin again with {name}."),
    };
    output.say(
        format_args!(
            "{human} What was not delivered is sent again. Compare the safety number: deaddrop --home {home} verify {typed}"
        ),
        &json!({ "name": agree.name, "agreed": asks_word(&chosen) }),
    )
}

/// Runs the command `begin-again`.
pub async fn begin_again(output: Output, common: &Common, again: &args::BeginAgain) -> Result<(), Failure> {
    let client = open(common).await?;
    let begun = client.begin_again(&again.name).await;
    let sent = match begun {
        Ok(()) => {
            let report = client.flush_to(&again.name, client_patience()).await;
            let _ = client.flush_reachable(GOODBYE).await;
            report.is_ok_and(|report| report.why.is_none())
        }
        Err(_) => false,
    };
    finish(client).await?;
    let (name, typed, home) = (Shown(&again.name), Typed(&again.name), home_of(common)?);
    match begun {
        Ok(()) => {}
        Err(error @ ClientError::NoResetBundle) => {
            return Err(Failure::of(
                error,
                format_args!(
                    "there is nothing to begin again with; make a new invite: deaddrop --home {home} invite {typed}"
                ),
            ));
        }
        Err(error @ ClientError::AsksAlready) => {
            return Err(Failure::of(
                error,
                format_args!(
                    "{name} asks for a new session already; ask {name} by another way, then agree to that: deaddrop --home {home} agree \
                     {typed} (or decline it with --decline)"
                ),
            ));
        }
        Err(error) => return Err(error.into()),
    }
    let state = if sent { "asked" } else { "queued" };
    let when =
        if sent { "" } else { " The relay does not answer now: the question leaves with your next command." };
    output.say(
        format_args!(
            "{name} is asked to begin again, and has to agree: tell {name} by another way, such as a call, that it was you.{when} \
             Then compare the safety number: deaddrop --home {home} verify {typed}"
        ),
        &json!({ "name": again.name, "state": state }),
    )
}

/// Returns a word in JSON for what a contact asks for.
fn asks_word(asks: &ContactAsks) -> &'static str {
    match asks {
        ContactAsks::Reset => "reset",
        ContactAsks::NewIdentity(_) => "new_identity",
        _ => "other",
    }
}

/// Returns what a contact asks for as a JSON object: its name, the word, and the safety number of a
/// new identity.
pub(super) fn asks_json(name: &str, asks: &ContactAsks) -> serde_json::Value {
    let number = match asks {
        ContactAsks::NewIdentity(number) => Some(number.to_digits()),
        _ => None,
    };
    json!({ "name": name, "what": asks_word(asks), "safety_number": number })
}

/// Returns the thirty digits of each person in a safety number, without spaces. One half belongs to
/// the user, but it is not known which.
fn halves(number: &SafetyNumber) -> [String; 2] {
    let digits: String = number.to_digits().split_whitespace().collect();
    let (one, other) = digits.split_at(digits.len() / 2);
    [one.to_owned(), other.to_owned()]
}

/// Whether `typed`, the user's argument of `agree`, names this request: the word `reset`, or at
/// least five digits from the beginning of one half of the new identity's safety number.
fn is_chosen(asks: &ContactAsks, typed: &str) -> bool {
    match asks {
        ContactAsks::NewIdentity(number) => {
            typed.len() >= 5 && halves(number).iter().any(|half| half.starts_with(typed))
        }
        _ => typed == "reset",
    }
}

/// Returns a line that says what a contact asks for, and the command to agree. `all` holds all
/// requests of the contact, so that the digits in the command fit this one.
pub(super) fn asks_line(name: &str, asks: &ContactAsks, all: &[ContactAsks]) -> String {
    let (what, typed_what) = match asks {
        ContactAsks::Reset => {
            ("to begin again without a proof that it knew the session".to_owned(), "reset".to_owned())
        }
        ContactAsks::NewIdentity(number) => {
            // The half that is the user's own is in all of them.
            let starts = halves(number).map(|half| half.chars().take(10).collect::<String>());
            let count = |start: &String| all.iter().filter(|other| is_chosen(other, start)).count();
            let start = starts.iter().min_by_key(|start| count(start)).cloned().unwrap_or_default();
            (format!("to be known by another identity, with the safety number {}", number.to_digits()), start)
        }
        _ => ("for something that this program does not know yet".to_owned(), String::new()),
    };
    let (shown, typed) = (Shown(name), Typed(name));
    format!(
        "asks {what}: ask {shown} by another way, then: deaddrop agree {typed} {typed_what} (or agree {typed} --decline)"
    )
}

fn find(client: &Client, name: &str) -> Option<ContactInfo> {
    client.contact(name).ok().flatten()
}
