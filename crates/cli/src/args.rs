//! The command line's grammar: commands, options, help. Nothing here does anything.

use std::{ffi::OsString, net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use deaddrop_client::{DEFAULT_VAULT_MIB, MAX_VAULT_MIB, MIN_VAULT_MIB};

const EXAMPLES: &str = "\
Two people, step by step (each in a terminal of their own, a relay in a third):
  deaddrop-relay init --data relay
  deaddrop-relay serve --data relay --listen 127.0.0.1:7700     prints the relay's address
  deaddrop --home ada init --relay 'ws://127.0.0.1:7700/#...'
  deaddrop --home ben init --relay 'ws://127.0.0.1:7700/#...'
  deaddrop --home ada invite ben                                prints a link and a QR code
  deaddrop --home ben accept 'deaddrop:...' ada
  deaddrop --home ben send ada 'hello'
  deaddrop --home ada receive
  deaddrop --home ada verify ben                                same number on both sides?

Exit status: 0 done (also: queued for a relay that cannot be reached now), 1 failed, 2 wrong usage.";

const HOME_HELP: &str = "\
The folder of one person: vault and settings. Each person needs one of their own; one process at a time.
Default: $XDG_DATA_HOME/deaddrop, or ~/.local/share/deaddrop";

/// End-to-end encrypted messages through a relay that cannot read them and forgets them once they are read.
#[derive(Debug, Parser)]
#[command(name = "deaddrop", version, after_long_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    #[doc = "The folder of one person"]
    #[arg(long, global = true, value_name = "DIR", env = "DEADDROP_HOME", help = HOME_HELP)]
    pub home: Option<PathBuf>,
    /// Print one JSON object, or one per line, instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the vault's passphrase from the first line of this file (else DEADDROP_PASSPHRASE, else a prompt)
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Verify the TLS certificates of relays with wss:// addresses by this rule. The relay's fingerprint is verified in any case
    #[arg(long, global = true, value_enum, default_value_t = TlsVerification::Platform, env = "DEADDROP_TLS_VERIFY")]
    pub tls_verify: TlsVerification,
    /// Trust the certificate authorities of this file (PEM) instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "DEADDROP_TLS_ROOTS")]
    pub tls_roots: Option<PathBuf>,
}

/// The verification of TLS certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsVerification {
    /// By the authorities that this system trusts
    #[default]
    Platform,
    /// None: the relay proves its fingerprint inside
    PinnedOnly,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything in front of your eyes: two people, a relay, and texts that wait while one of the two is offline in a plane (no network, nothing to configure)
    Demo(Demo),
    /// Make an identity and an encrypted vault for it
    Init(Init),
    /// Make a link for one person to connect to you, or to begin again with a contact; it works once
    Invite(Invite),
    /// List the invites that are open, or show the link of one again
    Invites(Invites),
    /// End an invite that is open
    Withdraw(Withdraw),
    /// Connect to the person who gave you a link, or begin again with a contact
    Accept(Accept),
    /// Agree to what a contact asks for: to begin again, or to be known by another identity
    Agree(Agree),
    /// Begin again with a contact whose session is lost, without a new invite; the contact has to agree
    BeginAgain(BeginAgain),
    /// List the people you are connected to
    Contacts,
    /// Send a text; it is queued, and safe, before anything leaves this machine
    Send(Send),
    /// Print what has arrived
    Receive(Receive),
    /// Fetch and send what waits, print no messages, and say for each relay and each contact what was done and what waits
    Sync(Sync),
    /// Talk to one person: type lines, see what arrives; /quit ends
    Chat(Chat),
    /// Show the safety number of a contact; it is the same on both sides if no third party is in between
    Verify(Verify),
    /// Show your relay, what waits to be sent, whether the relay answers, and how full the vault is
    Status,
    /// Show the relays that you receive through, and which contacts write to which
    Relays,
    /// Receive through another relay from now on
    SetRelay(SetRelay),
    /// Let the vault's file grow to another size
    VaultLimit(VaultLimit),
    /// Give up a relay that does not come back
    LeaveRelay(LeaveRelay),
    /// Show what a relay says about itself; the link proves that it is this relay's word
    RelayAbout {
        /// The relay: its address with fingerprint; default: the relay that you receive through
        #[arg(value_name = "URL")]
        relay: Option<String>,
    },
    /// Keep the token that a relay's operator gave you for new mailboxes
    RelayToken(RelayToken),
    /// Let contacts and invites lead to an address of your own network or machine
    AllowPrivate(AllowPrivate),
    #[doc = "The relay's own command line (the demonstration starts it as a process of its own)"]
    #[command(hide = true, disable_help_flag = true)]
    Relay(Relay),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop demo
  deaddrop demo --transcript talk.tsv --me Lily --flights 8 --crashes 4

A transcript has one line per message: the speaker's name, a TAB, the text.
The last line of the replay counts what the receiving sides really got; the exit status is 1 if anything is missing, doubled, out of order or left on the relay.")]
pub struct Demo {
    /// Replay a conversation: lines of `speaker TAB text`
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// The speaker whose lines one person sends (all others are sent by the other); default: the one with the most lines
    #[arg(long, value_name = "NAME", requires = "transcript")]
    pub me: Option<String>,
    /// Number of times that somebody goes offline while the other goes on sending
    #[arg(long, value_name = "N", default_value_t = 0, requires = "transcript")]
    pub flights: usize,
    /// Number of times that the relay is killed in the middle of traffic, and started again on its data
    #[arg(long, value_name = "N", default_value_t = 0, requires = "transcript")]
    pub crashes: usize,
    /// Seed of the moments at which the relay is killed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "transcript")]
    pub seed: u64,
    /// Keep the vaults, the relay's data and its log in this new folder, instead of removing all at the end
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ada init --relay 'ws://127.0.0.1:7700/#...'
  deaddrop --home ada init --no-passphrase")]
pub struct Init {
    /// The relay to receive through: the address with fingerprint that `deaddrop-relay serve` prints.
    /// Without it you can accept invites (and receive through the inviter's relay), but not make any
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,
    /// Read the token that this relay wants for new mailboxes from the first line of this file (else DEADDROP_RELAY_TOKEN, if set)
    #[arg(long, value_name = "FILE", requires = "relay")]
    pub relay_token_file: Option<PathBuf>,
    /// Keep the vault's key in a file (mode 0600) beside the vault: who can read the folder can read everything
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,
    /// MiB to which the vault's file may grow
    #[arg(long, value_name = "N", default_value_t = DEFAULT_VAULT_MIB,
        value_parser = clap::value_parser!(u32).range(i64::from(MIN_VAULT_MIB)..=i64::from(MAX_VAULT_MIB)))]
    pub vault_mib: u32,
}

/// Arguments of `invite`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada invite ben

With the name of a contact the link is a new beginning: for a contact that has lost its vault, or whose session is lost.
When it is accepted, what was not delivered is sent again, and the safety number is to be compared once more.")]
pub struct Invite {
    /// Your name for the person you invite, which only you see; with the name of a contact the two of you begin again
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Number of days for which the link can be accepted
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=30))]
    pub days: u8,
}

/// Arguments of `invites`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ada invites
  deaddrop --home ada invites ben     shows the link of this invite again")]
pub struct Invites {
    /// The person whose link is to be shown
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Arguments of `withdraw`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada withdraw ben

For a link that went to the wrong person, or was lost.
After that, the link cannot be used any more.
A person who has connected already stays a contact.
What you wrote to the contact waits for a new invite.")]
pub struct Withdraw {
    /// The person for whom the invite was made
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `accept`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ben accept 'deaddrop:...' ada
  deaddrop --home ben accept --new-identity 'deaddrop:...' ada
  xclip -o | deaddrop --home ben accept - ada

Quote the link: a shell may take a part of it for itself.
The link is read as mail programs and messengers pass it on: in several lines, in quotes or brackets, with words around it.
A link of which a part is missing is refused.

With the name of a contact the link is a new beginning: what was not delivered is sent again, and the safety number is to be compared once more.
A link of another identity than the contact has is refused, because anybody could send you one in the contact's name.
A contact that has lost its vault has another identity: ask it by another way, such as a call, before you give --new-identity.")]
pub struct Accept {
    /// Allow that the link leads to a private network or to this machine. Without it only your own relay's address may; and if you
    /// have no relay yet, an IP address that stands in the link
    #[arg(long)]
    pub allow_private: bool,
    /// The contact of this name has another identity from now on, as it has told you by another way. (For a link that leads to a
    /// private network, give allow-private first)
    #[arg(long, conflicts_with = "allow_private")]
    pub new_identity: bool,
    /// Read the token that the link's relay wants for new mailboxes from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub relay_token_file: Option<PathBuf>,
    /// The link, whole, or - to read it from standard input
    #[arg(value_name = "LINK")]
    pub link: String,
    /// Your name for the person who gave you the link, which only you see; with the name of a contact the two of you begin again
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `agree`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada agree ben
  deaddrop --home ada agree ben 1234567890      to the identity whose safety number begins so
  deaddrop --home ada agree ben --decline

ASK THE CONTACT BY ANOTHER WAY FIRST, such as a call: somebody who has stolen its identity, or found your link, asks for the same.
`contacts` shows what a contact asks for:
  - to begin again without a proof that it knew the session, because its device was restored from a copy
  - to be known by another identity, because it has lost its vault and has accepted your new invite with a new one
If you did not expect it, decline: what is asked for does not happen.
After you have agreed, compare the safety number.")]
pub struct Agree {
    /// Want nothing of what the contact asks for
    #[arg(long)]
    pub decline: bool,
    /// The contact that asks
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The request to agree to: `reset`, or five or more digits from the beginning of one half of the new identity's safety number, without
    /// spaces; needed if the contact asks for several things
    #[arg(value_name = "WHAT", conflicts_with = "decline")]
    pub what: Option<String>,
}

/// Arguments of `begin-again`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada begin-again ben

For a contact from whom nothing comes after one of the two vaults was put back from a copy, or damaged.
The contact is asked, and has to agree; what was not delivered is sent again then.
Tell the contact by another way that it was you.
Afterwards both compare the safety number once more.
If there is nothing to begin again with, make a new invite.")]
pub struct BeginAgain {
    /// The contact
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ben send ada 'hello'
  fortune | deaddrop --home ben send ada -

When the relay cannot be reached the text stays queued in the vault, and leaves with the next send, receive or chat.")]
pub struct Send {
    /// The recipient
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The text, or - to read it from standard input (one newline at its end is dropped)
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub text: String,
    /// Wait at most this many seconds for the relay to store it. Default: 10, and as long as something moves over a slow line up to 120
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// Arguments of `receive`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ada receive                      what is new, then end
  deaddrop --home ada receive --follow             and go on until Ctrl-C
  deaddrop --home ada --json receive --after 41    for an app with a store of its own

Every event has a number that stays.
Without --after, the vault remembers what was printed: a crash between printing and remembering prints it once more.
An app that stores the number together with the event, and gives its last one with --after, sees each event exactly once whatever is killed when.

The vault keeps all events, printed or not, until they are erased with --forget.
Some 100,000 of them make each command slower.")]
pub struct Receive {
    /// Go on until Ctrl-C
    #[arg(long)]
    pub follow: bool,
    /// Only from this person; what others sent stays unread, and only the relays where this person's messages lie are waited for
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
    /// Print the events after number N, and leave the vault's own mark of what was printed alone
    #[arg(long, value_name = "N")]
    pub after: Option<u64>,
    /// Erase events from the vault once they are used: with --after all up to N, else all that were printed
    #[arg(long, conflicts_with = "from")]
    pub forget: bool,
    /// Wait at most this many seconds for the relay to hand over what it holds (without --follow). Default: 10, and as long as something moves over a slow line up to 120
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada sync --wait 30

It ends when all is done, or when only you can change what is left, or when the time is over. What has arrived stays unread: receive
prints it. Fails if one of your relays was not read to its end.")]
pub struct Sync {
    /// Wait at most this many seconds. Default: 10, and as long as something moves over a slow line up to 120
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  deaddrop --home ada chat ben\n\nWhile you chat: /verify shows the safety number, /quit (or end of input) ends."
)]
pub struct Chat {
    /// The contact to chat with
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ada verify ben
  deaddrop --home ada verify ben --confirm

Compare the number with the other person over a way that cannot be faked, such as face to face or a call.
If it differs on the two sides, somebody sits in between: do not confirm, make a new invite.")]
pub struct Verify {
    /// The contact whose safety number is shown
    #[arg(value_name = "NAME")]
    pub name: String,
    /// You have compared the number and it is the same: mark the contact as verified
    #[arg(long)]
    pub confirm: bool,
}

/// Arguments of `set-relay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada set-relay 'ws://HOST:7700/#...'

Each contact is told a mailbox at the new relay.
The old relay is read until the contact has used the new mailbox: `relays` shows who has not yet.
Keep the old relay running until then, if you can.
Links of invites that are open lead to the relay on which they were made.")]
pub struct SetRelay {
    /// The relay: the address with fingerprint that `deaddrop-relay serve` prints
    #[arg(value_name = "URL")]
    pub relay: String,
    /// Read the token that this relay wants for new mailboxes from the first line of this file (else DEADDROP_RELAY_TOKEN, if set)
    #[arg(long, value_name = "FILE")]
    pub relay_token_file: Option<PathBuf>,
    /// Wait at most this many seconds for the relays. Default: 10, and as long as something moves over a slow line up to 120
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// Arguments of `leave-relay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada leave-relay 'ws://HOST:7700/#...'

Set another relay first.
What lies at the relay and was not fetched is lost to you; a contact that was not told the new mailbox yet is not heard until it was.
`relays` shows the addresses and the contacts.")]
pub struct LeaveRelay {
    /// The relay's address, as `relays` shows it
    #[arg(value_name = "URL")]
    pub relay: String,
}

/// Arguments of `vault-limit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada vault-limit 8192

`status` shows the limit, and how full the vault is. End other programs that use the vault first.
A file that is larger than a lower limit gets smaller as messages are erased.")]
pub struct VaultLimit {
    /// MiB to which the vault's file may grow
    #[arg(value_name = "MIB",
        value_parser = clap::value_parser!(u32).range(i64::from(MIN_VAULT_MIB)..=i64::from(MAX_VAULT_MIB)))]
    pub mib: u32,
}

/// Arguments of `relay-token`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  deaddrop --home ada relay-token                     asks for the token of your own relay
  deaddrop --home ada relay-token --file token.txt
  deaddrop --home ada relay-token --relay 'ws://HOST:7700/#...' --forget

The token is kept in the vault and shown to the relay with this fingerprint alone.
It is never given as an argument: other users of this machine could read it in the list of processes.")]
pub struct RelayToken {
    /// The relay that wants it: its address with fingerprint; default: the relay that you receive through
    #[arg(long, value_name = "URL")]
    pub relay: Option<String>,
    /// Read the token from the first line of this file (else DEADDROP_RELAY_TOKEN, else a prompt)
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Forget the token
    #[arg(long, conflicts_with = "file")]
    pub forget: bool,
}

/// Arguments of `allow-private`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  deaddrop --home ada allow-private 192.168.1.20

A contact can name any address as the place where it reads.
Addresses of private networks, and of this machine, are not connected to unless they are your own relay's, or you allow them here.
Allow only the address of a relay that you know.")]
pub struct AllowPrivate {
    /// The IP address
    #[arg(value_name = "IP")]
    pub address: IpAddr,
}

/// Arguments of the hidden command `relay`.
#[derive(Debug, Args)]
pub struct Relay {
    /// End when standard input ends
    #[arg(long)]
    pub tied: bool,
    #[doc = "Given to the relay as they are"]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}
