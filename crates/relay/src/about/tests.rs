//! Tests of the description: its bounds, and that nothing an operator writes becomes markup.

use super::*;
use deaddrop_wire::Fingerprint;

/// Returns the description with the longest address and this contact.
fn longest(contact: &str) -> About {
    let label = "x".repeat(63);
    let host = [label.as_str(); 3].join(".");
    let mut url = format!("wss://{host}:65535/");
    url += &"p".repeat(446 - url.len() - 1);
    url += "/";
    About {
        moved_to: Some(RelayUrl::new(&url).unwrap()),
        address: Some(RelayAddress::new(Fingerprint::from_bytes([0xff; 32]), &url).unwrap()),
        contact: Some(Contact::new(contact).unwrap()),
        store: StorePlace::Disk,
        key: Some(Medium::StoreFileSystem),
        blob_days: u16::MAX,
        large_blob_days: u16::MAX,
        unused_days: u16::MAX,
        dead_bytes_s: u32::MAX,
        is_token_needed: true,
    }
}

#[test]
fn the_longest_description_is_within_its_bounds() {
    // Each of these characters takes the most room in one of the two forms.
    for (scheme, worst) in [("", "\""), ("", "\\"), ("https://", "'"), ("", "\u{1f4a7}")] {
        let rest = MAX_CONTACT - scheme.len();
        let about = longest(&(scheme.to_owned() + &worst.repeat(rest / worst.len())));
        let (json, html) = (about.to_json(), about.to_html());
        assert!(json.len() <= MAX_ABOUT, "{} bytes of JSON", json.len());
        assert!(html.len() <= MAX_PAGE, "{} bytes of HTML", html.len());
    }
}

#[test]
fn a_program_reads_what_the_limits_say() {
    let limits = Limits { blob_days: 12, large_blob_days: 3, dead_bytes_s: 77, ..Limits::DEFAULT };
    let in_memory: serde_json::Value = serde_json::from_str(&About::new(&limits, true).to_json()).unwrap();
    assert_eq!(in_memory["policy"]["store"], "memory");
    assert_eq!(in_memory["policy"]["store_key"], serde_json::Value::Null);
    assert_eq!(in_memory["policy"]["dead_bytes_s"], serde_json::Value::Null);
    assert_eq!(in_memory["address"], serde_json::Value::Null);
    let on_disk =
        About { store: StorePlace::Disk, key: Some(Medium::OtherFileSystem), ..About::new(&limits, false) };
    let on_disk: serde_json::Value = serde_json::from_str(&on_disk.to_json()).unwrap();
    let policy = &on_disk["policy"];
    assert_eq!((&policy["blob_days"], &policy["large_blob_days"]), (&12.into(), &3.into()));
    assert_eq!((&policy["dead_bytes_s"], &policy["store_key"]), (&77.into(), &"other_file_system".into()));
    assert_eq!(policy["lease_days"], serde_json::json!([7, 30, 90, 365]));
    assert_eq!(policy["quotas"][3], serde_json::json!({ "blobs": 256, "bytes": 4_194_304 }));
    assert_eq!(
        (&policy["token_needed"], &on_disk["version"]),
        (&false.into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(on_disk["note"].as_str().unwrap().contains("not signed"));
}

#[test]
fn a_contact_is_text_or_a_link_and_never_markup() {
    for (contact, shown) in [
        (
            "mailto:op@relay.example",
            "<a rel=\"noreferrer\" href=\"mailto:op@relay.example\">op@relay.example</a>",
        ),
        (
            "https://a.example/?b&c",
            "<a rel=\"noreferrer\" href=\"https://a.example/?b&amp;c\">https://a.example/?b&amp;c</a>",
        ),
        ("https://a.example/\"onclick=\"b", "href=\"https://a.example/&quot;onclick=&quot;b\""),
        ("https://a.example or by mail", "<dd>https://a.example or by mail\n"),
        ("javascript:alert(1)", "<dd>javascript:alert(1)\n"),
        ("<script>alert('a')</script>", "<dd>&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt;\n"),
        ("{style} {}", "<dd>{style} {}\n"),
    ] {
        let page = longest(contact).to_html();
        assert!(page.contains(shown), "{contact}: {page}");
        assert!(!page.contains("<script"), "{page}");
    }
}

#[test]
fn the_page_says_what_the_description_says() {
    let about = About { unused_days: 1, large_blob_days: 1, ..longest("op") };
    let page = about.to_html();
    for part in [
        "(large ones 1 day)",
        "unused ones 1 day",
        "7, 30, 90 or 365 days",
        "at most 1, 4, 64 or 256",
        "not signed",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains(&about.address.as_ref().unwrap().to_string()), "{page}");
    assert!(page.contains("<svg ") && page.contains("have a token of the operator"), "{page}");
    let unknown = About::new(&Limits::DEFAULT, false).to_html();
    assert!(!unknown.contains("<svg ") && unknown.contains("href=\"/about.json\""), "{unknown}");
    assert!(unknown.contains("all mailboxes and messages are gone"), "{unknown}");
}
