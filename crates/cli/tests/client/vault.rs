//! The vault of a client: its keys, its lock, its passphrase.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_opens_for_its_own_key_once_at_a_time() {
    let world = World::new();
    let passphrase = |text: &str| Unlock::Passphrase(text.to_owned().into());
    let home = world.home("ada");
    let open = |unlock| Client::open(home.clone(), unlock, world.config());
    assert_eq!(open(Unlock::KeyFile).await.unwrap_err(), OpenError::Absent);
    let dear = PassphraseCost { passes: 17, ..PassphraseCost::default() };
    let refused = Config { passphrase_cost: dear, ..world.config() };
    let refused = Client::create(&home, passphrase("correct horse"), None, refused).await;
    assert_eq!(refused.unwrap_err(), OpenError::BadCost);
    assert!(!home.exists());
    let ada = Client::create(&home, passphrase("correct horse"), None, world.config()).await.unwrap();
    // The vault keeps its cost, whatever an app says later.
    assert_eq!(fs::read(home.join("vault")).unwrap()[60..72], [32, 1, 4].map(u32::to_le_bytes).concat());
    assert_eq!(open(passphrase("correct horse")).await.unwrap_err(), OpenError::InUse);
    ada.close().await.unwrap();
    let before = fs::read(home.join("vault")).unwrap();
    assert_eq!(open(passphrase("wrong horse")).await.unwrap_err(), OpenError::WrongPassphrase);
    assert_eq!(open(passphrase("")).await.unwrap_err(), OpenError::WrongPassphrase);
    assert_eq!(open(Unlock::KeyFile).await.unwrap_err(), OpenError::KeyFileMissing);
    let again = Client::create(&home, passphrase("correct horse"), None, world.config()).await;
    assert_eq!(again.unwrap_err(), OpenError::Exists);
    let again = Client::create(&home, passphrase("wrong horse"), None, world.config()).await;
    assert_eq!(again.unwrap_err(), OpenError::Exists);
    assert!(fs::read(home.join("vault")).unwrap() == before, "nothing was changed");
    assert!(!home.join("vault.key").exists());
    open(passphrase("correct horse")).await.unwrap().close().await.unwrap();
    // What is no vault is not touched either.
    fs::write(home.join("vault"), b"something else").unwrap();
    assert_eq!(open(passphrase("correct horse")).await.unwrap_err(), OpenError::Corrupt);
    assert_eq!(fs::read(home.join("vault")).unwrap(), b"something else");
}

/// Fills the vault until 1 MiB is left before it takes no more texts, with texts to Cara, who never
/// accepts.
async fn fill(ada: &Client) {
    ada.invite("Cara").await.unwrap();
    let long = "x".repeat(MAX_TEXT);
    let vault = || ada.status().unwrap().vault;
    while vault().used_bytes < vault().send_bytes - (1 << 20) {
        ada.send("Cara", &long).await.unwrap();
    }
}

/// A vault of 64 MiB, the smallest limit, and texts of the largest size.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_vault_says_so_leaves_the_rest_at_the_relay_and_goes_on_once_events_are_erased() {
    let world = World::hasty();
    let ben = world.person("ben").await;
    let relay = || Some(world.relay.address.parse().unwrap());
    for vault_mib in [0, 63, 262_145] {
        let config = Config { vault_mib, ..world.config() };
        let refused = Client::create(world.home("ada"), Unlock::KeyFile, relay(), config).await;
        assert_eq!(refused.unwrap_err(), OpenError::BadLimit);
        assert!(!world.home("ada").exists());
    }
    let config = Config { vault_mib: 64, ..world.config() };
    let ada = Client::create(world.home("ada"), Unlock::KeyFile, relay(), config).await.unwrap();
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    wait_for(&ada, |kind| *kind == EventKind::Established).await;
    let vault = || ada.status().unwrap().vault;
    assert_eq!((vault().room, vault().limit_bytes), (VaultRoom::Enough, 40_960 + (64 << 20)));
    fill(&ada).await;
    let long = "x".repeat(MAX_TEXT);
    let sent = 200;
    for number in 0..sent {
        ben.send("Ada", &format!("{number} {}", &long[10..])).await.unwrap();
    }
    let mut shown = 0;
    let mut after = 0;
    let mut was_full = 0;
    let begin = std::time::Instant::now();
    // Nothing is erased until the vault is full.
    while vault().room != VaultRoom::Full {
        assert!(begin.elapsed() < PATIENCE, "{:?}", ada.status());
        sleep(Duration::from_millis(20)).await;
    }
    while shown < sent {
        assert!(begin.elapsed() < PATIENCE * 3, "{shown} {:?}", ada.status());
        let read = ada.wait_caught_up(Duration::from_secs(10)).await;
        let status = ada.status().unwrap();
        if status.vault.room == VaultRoom::Full {
            was_full += 1;
            assert_eq!(ada.wait_caught_up(Duration::from_secs(10)).await, Err(ClientError::VaultFull));
            let states: Vec<_> = ada.status().unwrap().relays.into_values().collect();
            assert_eq!(states, [Connectivity::VaultFull]);
            assert_eq!(ada.send("Ben", "no").await, Err(ClientError::VaultFull));
            assert_eq!(ada.invite("Dan").await, Err(ClientError::VaultFull));
        } else if read.is_err() {
            continue;
        }
        loop {
            let events = ada.events_after(after).unwrap();
            let Some(last) = events.last() else { break };
            after = last.number;
            for event in &events {
                if let EventKind::MessageReceived { text, .. } = &event.kind {
                    assert!(text.starts_with(&format!("{shown} ")), "{}", &text[..9]);
                    shown += 1;
                }
            }
        }
        ada.forget_events_before(after + 1).await.unwrap();
    }
    assert!(was_full > 0);
    ada.send("Ben", "it goes on").await.unwrap();
    wait_for(&ben, |kind| matches!(kind, EventKind::MessageReceived { text, .. } if text == "it goes on"))
        .await;
    settled(&ben).await;
    let length = fs::metadata(world.home("ada").join("vault")).unwrap().len();
    assert!(length <= vault().limit_bytes, "{length}");
    ada.close().await.unwrap();
    // Erased bytes may be left by closing, and the next opening tells of them.
    let mut command = common::deaddrop();
    command.args(["--home".as_ref(), world.home("ada").as_os_str(), "--json".as_ref(), "status".as_ref()]);
    let told = common::run(&mut command).ok().json()["vault"].clone();
    assert_eq!((&told["room"], &told["limit_bytes"]), (&"enough".into(), &(40_960 + (64 << 20)).into()));
    assert!(told["percent"].as_u64().unwrap() > 50 && told["dead_bytes"].is_u64(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_that_the_vault_is_full_and_erasing_what_was_read_ends_it() {
    let world = World::hasty();
    let ada_home = world.home("ada");
    let ada = |words: &[&str]| {
        let mut command = common::deaddrop();
        command.arg("--home").arg(&ada_home).args(words);
        common::run(&mut command)
    };
    ada(&["init", "--no-passphrase", "--vault-mib", "63"]).fails(&["64..=262144"]);
    ada(&["init", "--no-passphrase", "--vault-mib", "64", "--relay", &world.relay.address]).ok();
    let status = ada(&["status"]).ok().out;
    assert!(status.contains("\nThe vault is 0 % full; its file has 8 MiB, at most 64 MiB\n"), "{status}");
    let ben = world.person("ben").await;
    let client = world.open("ada").await;
    let link = client.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    wait_for(&client, |kind| *kind == EventKind::Established).await;
    fill(&client).await;
    let sent = 160;
    for number in 0..sent {
        ben.send("Ada", &format!("{number} {}", "x".repeat(MAX_TEXT - 10))).await.unwrap();
    }
    let begin = std::time::Instant::now();
    while client.status().unwrap().vault.room != VaultRoom::Full {
        assert!(begin.elapsed() < PATIENCE, "{:?}", client.status());
        sleep(Duration::from_millis(20)).await;
    }
    client.close().await.unwrap();
    let error = |done: common::Done| -> serde_json::Value { serde_json::from_str(done.err.trim()).unwrap() };
    assert_eq!(error(ada(&["--json", "send", "Ben", "no"]))["error"], "vault_full");
    ada(&["send", "Ben", "no"]).fails(&["the vault is full", "receive --forget", "vault-limit"]);
    let told = ada(&["--json", "status"]).ok().json();
    assert_eq!((&told["vault"]["room"], &told["vault"]["percent"]), (&"full".into(), &100.into()));
    assert_eq!(told["relays"][0]["state"], "vault_full");
    assert!(ada(&["status"]).ok().out.contains("THE VAULT IS FULL"));
    // A higher limit is a way out at once, and stays.
    ada(&["vault-limit", "63"]).fails(&["64..=262144"]);
    ada(&["vault-limit", "128"]).ok();
    assert!(ada(&["status"]).ok().out.contains("at most 128 MiB"));
    ada(&["send", "Ben", "a larger vault"]).ok();
    ada(&["vault-limit", "64"]).ok();
    ada(&["send", "Ben", "no"]).fails(&["the vault is full"]);
    // What was received is printed and erased, though the relay is not read; then the rest is.
    let mut received = 0;
    for _ in 0..8 {
        let done = ada(&["--json", "receive", "--forget"]);
        received += common::texts(&done.lines()).len();
        if received == sent {
            break;
        }
    }
    assert_eq!(received, sent);
    assert_eq!(ada(&["--json", "status"]).ok().json()["vault"]["room"], "enough");
    ada(&["send", "Ben", "it goes on"]).ok();
}
