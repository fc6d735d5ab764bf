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
