//! Links as mail programs, messengers and people mangle them.

use super::*;
use proptest::prelude::*;

const HOST: &str = "ws://relay.example:7700/";

fn invite_with(secret: [u8; 32]) -> String {
    let relay = RelayAddress::new(deaddrop_wire::Fingerprint::from_bytes([0xa7; 32]), HOST).unwrap();
    let secret = deaddrop_e2ee::invite::InviteSecret::copy_of(&secret);
    InviteLink::new(relay, secret).to_text().to_string()
}

/// Returns a link whose end has capital letters and digits, so that none of its pieces is a word.
fn invite() -> String {
    invite_with(core::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap()))
}

fn relay() -> String {
    let fingerprint = deaddrop_wire::Fingerprint::from_bytes([0xa7; 32]);
    RelayAddress::new(fingerprint, HOST).unwrap().to_string()
}

fn read(text: &str) -> Result<String, PasteError> {
    read_pasted_invite(text).map(|link| link.to_text().to_string())
}

/// Breaks a text into lines of this many characters, with `end` after each but the last.
fn wrapped(text: &str, columns: usize, end: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(columns).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join(end)
}

#[test]
fn what_stands_around_a_link_does_not_count() {
    let link = invite();
    for (before, behind) in [
        ("", "."),
        ("", ",\n"),
        ("", ";:!?"),
        ("<", ">"),
        ("(", ")."),
        ("[", "]"),
        ("{", "}"),
        ("\"", "\""),
        ("'", "',"),
        ("`", "`"),
        ("*", "*"),
        ("_", "_"),
        ("__", "__"),
        ("\u{201e}", "\u{201c}"),
        ("\u{201c}", "\u{201d}"),
        ("\u{ab}\u{a0}", "\u{a0}\u{bb}"),
        ("\u{2018}", "\u{2019}"),
        ("\u{feff}", "\u{200b}"),
        ("<URL:", ">"),
        ("[my link](", ")"),
        ("Here it is: ", " See you, Ada"),
        ("> Hi!\n> \n> ", "\n> \n> Ada"),
        ("https://example.org/ is my page. ", "\nhttps://example.org/about"),
        ("", "\u{2026}"),
        ("", "/"),
    ] {
        assert_eq!(
            read(&format!("{before}{link}{behind}")).as_deref(),
            Ok(link.as_str()),
            "{before:?} {behind:?}"
        );
    }
    assert_eq!(read(&format!("{link} <{link}>")), Ok(link.clone()), "the same one twice");
}

#[test]
fn what_programs_do_inside_a_link_is_undone() {
    let link = invite();
    let rest = link.strip_prefix("deaddrop:").unwrap();
    let (place, fragment) = link.split_once('#').unwrap();
    let web = format!("http://relay.example:7700/i#{fragment}");
    let percent = |set: &str| -> String {
        link.chars()
            .map(|c| if set.contains(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() })
            .collect()
    };
    for mangled in [
        web.clone(),
        web.replace("http", "HTTP"),
        web.replace("/i#", "/i?utm_source=mail&utm_medium=x#"),
        rest.to_owned(),
        format!("DEADDROP:{rest}"),
        format!("Deaddrop:WS://Relay.Example:7700/i#{fragment}"),
        format!("deaddrop://{rest}"),
        format!("deaddrop://ws//relay.example:7700/i#{fragment}"),
        format!("deaddrop: {rest}"),
        format!("{place}/#{fragment}"),
        format!("{place}?fbclid=Iw3-x_y#{fragment}"),
        format!("{link}?utm_source=news&x=1"),
        format!("{link}&fbclid=Iw3-x_y"),
        format!("{link}&amp;fbclid=Iw3-x_y"),
        format!("https://l.example.com/l.php?u={}&h=AT0", percent(":/#")),
        percent("#"),
        percent(":/#-_"),
        percent(":/#").replace('%', "%25"),
        link.replace('#', "&#35;"),
        link.chars().map(|c| format!("{c}\u{200b}")).collect(),
        link.chars().map(|c| format!("{c}\u{ad}")).collect(),
        link.replace("AA", "A\u{2060}A").replace('-', "\u{2011}"),
        format!("> {}", wrapped(&link, 76, "=\n> ")),
        wrapped(&link, 76, "=\r\n"),
        wrapped(&link, 72, "\r\n"),
        wrapped(&link, 78, "\n> > "),
        wrapped(&link, 60, "\n    "),
        wrapped(&link, 75, " "),
        format!("{}\n\nSee you tomorrow", wrapped(&link, 78, "\n")),
        // The last line has one letter.
        format!("{}\n\nSee you", wrapped(&link, link.len() - 1, "\n> ")),
    ] {
        assert_eq!(read(&mangled).as_deref(), Ok(link.as_str()), "{mangled:?}");
    }
}

#[test]
fn what_cannot_be_mended_is_refused_with_its_reason() {
    use PasteError::*;
    let (link, other, relay) = (invite(), invite_with([9; 32]), relay());
    let cut = |by: usize| link[..link.len() - by].to_owned();
    let newer = link.replace("#AQ", "#Ag").replace("#Aa", "#Ca");
    let newer = newer.replacen("#A", "#C", usize::from(!newer.contains("#C")));
    for (text, reason) in [
        (String::new(), NotALink),
        ("hello".to_owned(), NotALink),
        ("https://example.org/".to_owned(), NotALink),
        ("https://example.org/page#part".to_owned(), NotALink),
        ("deaddrop:".to_owned(), CutShort),
        (link.split_once('#').unwrap().0.to_owned(), CutShort),
        (cut(1), CutShort),
        (cut(20), CutShort),
        (format!("{}\u{2026}", cut(20)), CutShort),
        (format!("{}...", cut(20)), CutShort),
        (format!("{} and so on", cut(3)), CutShort),
        (format!("{} see", cut(3)), CutShort),
        (format!("{}\nTomorrow", cut(8)), CutShort),
        (format!("{link}X"), Damaged),
        (format!("{link}_"), Damaged),
        (link.replace("#A", "#*"), Damaged),
        ("deaddrop:nonsense/i#AAAA".to_owned(), Damaged),
        (link.replace("deaddrop:ws://", "deaddrop://"), Damaged),
        (link.replace("relay.example", "relay example:"), Damaged),
        (newer, NewerVersion),
        (format!("{link} {other}"), TwoLinks),
        (format!("{link}\n{}", cut(5)), TwoLinks),
        (relay.clone(), IsRelayAddress),
        (format!("({relay})"), IsRelayAddress),
        ("x".repeat(MAX_PASTED + 1), TooLong),
    ] {
        assert_eq!(read(&text), Err(reason), "{text:?}");
    }
}

#[test]
fn addresses_of_relays_are_read_in_the_same_way() {
    use PasteError::*;
    let (link, relay) = (invite(), relay());
    let read = |text: &str| read_pasted_relay(text).map(|relay| relay.to_string());
    for mangled in [
        format!(" <{relay}>."),
        format!("\"{relay}\","),
        relay.replace("ws://relay", "WS://Relay"),
        relay.replace("/#", "#"),
        relay.replace('#', "%23"),
        wrapped(&relay, 40, "\n"),
        format!("> {}", wrapped(&relay, 30, "=\n> ")),
        format!("{relay}&utm_source=x"),
        format!("The relay is {relay}, and I am {link}"),
    ] {
        assert_eq!(read(&mangled).as_deref(), Ok(relay.as_str()), "{mangled:?}");
    }
    for (text, reason) in [
        (link.clone(), IsInvite),
        ("ws://relay.example/".to_owned(), CutShort),
        (relay[..relay.len() - 2].to_owned(), CutShort),
        (format!("{relay}Z"), Damaged),
        (format!("{relay} ws://other.example/{}", relay.split_at(HOST.len()).1), TwoLinks),
        ("relay.example".to_owned(), NotALink),
    ] {
        assert_eq!(read(&text), Err(reason), "{text:?}");
    }
}

/// A piece of a wrapped link can look like a word. Such a link is refused as cut off; the test
/// checks that this is rare.
#[test]
fn nearly_all_wrapped_links_are_read() {
    let (mut read_ones, mut all) = (0, 0);
    for number in 0..=255_u8 {
        let link = invite_with(core::array::from_fn(|at| {
            number.wrapping_mul(167).wrapping_add(u8::try_from(at * at * 73 % 256).unwrap())
                ^ number.rotate_left(3)
        }));
        for columns in 66..=80 {
            all += 1;
            match read(&wrapped(&link, columns, "\n")) {
                Ok(read) => {
                    assert_eq!(read, link);
                    read_ones += 1;
                }
                Err(error) => assert_eq!(error, PasteError::CutShort),
            }
        }
    }
    assert!(read_ones * 100 >= all * 98, "{read_ones} of {all}");
}

/// Returns texts that hold the link, with changes that a program or a person makes, each with
/// whether the changes spoil the link.
fn mangled(link: String) -> impl Strategy<Value = (String, bool)> {
    let harmless = prop_oneof![
        (
            20_usize..90,
            prop_oneof![Just("\n"), Just("\r\n"), Just("\n> "), Just("=\n"), Just("\n\t"), Just(" ")]
        )
            .prop_map(|(columns, end)| (0, columns, end.to_owned())),
        (
            any::<prop::sample::Index>(),
            prop_oneof![Just("\u{200b}"), Just("\u{ad}"), Just("\u{feff}"), Just("\u{200d}")]
        )
            .prop_map(|(at, what)| (1, at.index(1_000), what.to_owned())),
        prop_oneof![Just("<"), Just("\""), Just("("), Just("see: "), Just("\u{201e}")].prop_map(|what| (
            2,
            0,
            what.to_owned()
        )),
        prop_oneof![
            Just(">"),
            Just("\"."),
            Just(")!"),
            Just(" see you"),
            Just("\u{201c}"),
            Just("?utm_x=1"),
            Just("\n\nAda")
        ]
        .prop_map(|what| (3, 0, what.to_owned())),
        Just((4, 0, String::new())),
    ];
    let harmful = (
        0_usize..90,
        prop_oneof![Just(""), Just(" tomorrow"), Just("\nand so on"), Just("\u{2026}"), Just(" See you")],
    );
    (prop::collection::vec(harmless, 0..5), prop::option::of(harmful)).prop_map(move |(steps, cut)| {
        let mut text = link.clone();
        let is_cut = cut.is_some();
        if let Some((by, behind)) = cut {
            text.truncate(text.len() - by.min(86) - 1);
            text.push_str(behind);
        }
        for (kind, number, what) in steps {
            text = match kind {
                0 => wrapped(&text, number, &what),
                1 => {
                    let mut chars: Vec<char> = text.chars().collect();
                    let at = number % (chars.len() + 1);
                    chars.splice(at..at, what.chars());
                    chars.into_iter().collect()
                }
                2 => what + &text,
                3 => text + &what,
                _ => text.replace("deaddrop:ws", "DEADDROP:WS"),
            };
        }
        (text, is_cut)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_link_is_the_same_link_or_is_refused((text, is_cut) in mangled(invite())) {
        match read(&text) {
            Ok(read) => {
                prop_assert!(!is_cut, "made up: {text:?}");
                prop_assert_eq!(read, invite());
            }
            Err(error) => prop_assert!(
                matches!(error, PasteError::CutShort | PasteError::Damaged | PasteError::NotALink),
                "{:?} for {:?}", error, text
            ),
        }
    }

    #[test]
    fn any_text_gets_an_answer(text in "(deaddrop:|ws://|http://|[a-zA-Z0-9#/:.%=>& \n\u{200b}\u{e4}]){0,60}") {
        let _ = (read_pasted_invite(&text), read_pasted_relay(&text));
    }
}
