//! Certificate files: the faults of each, and their changes while a server runs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::fixture;
use deaddrop_tls::{CertificateWarning, LoadFault, Reload, Reloader, ServerCertificate};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Returns a time 60 s from now, at which the reloader no longer expects a second change with the
/// same time stamp.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

fn text(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

/// A certificate file and a key file in a temporary folder of their own.
struct Files {
    folder: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(certificate: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Self {
            certificate: folder.path().join("fullchain.pem"),
            key: folder.path().join("privkey.pem"),
            folder,
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn reloader(&self) -> Reloader {
        Reloader::load(&self.certificate, &self.key, later()).unwrap()
    }

    fn load(&self) -> Result<ServerCertificate, deaddrop_tls::LoadError> {
        ServerCertificate::load(&self.certificate, &self.key)
    }
}

#[test]
fn each_fault_names_its_file_and_what_to_do() {
    let (certificate, key) = (text("p256.pem"), text("p256.key"));
    let swapped = [text("between.pem"), certificate.clone()].concat();
    let cut = key[..key.len() - 40].to_owned();
    // (certificate file, key file, whether the certificate file is named, text)
    let cases: [(&str, &str, bool, &str); 16] = [
        ("", &key, true, "the file is empty"),
        (&certificate, "", false, "the file is empty"),
        ("hello", &key, true, "holds no certificate"),
        (&certificate, "hello", false, "holds no private key"),
        (&key, &certificate, true, "check that the two paths are not swapped"),
        (&certificate, &certificate, false, "check that the two paths are not swapped"),
        (&[&certificate[..], &key].concat(), &key, true, "the certificate file holds a private key"),
        (&certificate, &[&key[..], &text("p384.key")].concat(), false, "several private keys"),
        (&certificate, &cut, false, "a PEM section is cut off or damaged"),
        (&certificate[..200], &key, true, "a PEM section is cut off or damaged"),
        (&certificate, &text("p256-encrypted.key"), false, "openssl pkey -in encrypted.pem -out key.pem"),
        (
            &text("rsa.pem"),
            &text("rsa.key"),
            false,
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        ),
        (&text("ed25519.pem"), &text("ed25519.key"), false, "a kind that is not supported"),
        (&certificate, &text("p521.key"), false, "a kind that is not supported"),
        (&certificate, &text("renewed.key"), false, "the key fits no certificate"),
        (&swapped, &key, true, "put the server's own certificate first"),
    ];
    for (certificate, key, names_certificate, says) in cases {
        let files = Files::new(certificate, key);
        let error = files.load().unwrap_err();
        let path = if names_certificate { &files.certificate } else { &files.key };
        assert_eq!(error.path(), path.as_path(), "{error}");
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(matches!(Files::new(garbage, &key).load().unwrap_err().fault(), LoadFault::MalformedCertificate));
    let garbage = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    assert!(matches!(Files::new(&certificate, garbage).load().unwrap_err().fault(), LoadFault::MalformedKey));
    let long = "x".repeat((1 << 20) + 1);
    assert!(matches!(Files::new(&long, &key).load().unwrap_err().fault(), LoadFault::TooLarge));
    let missing =
        ServerCertificate::load(Path::new("/none/fullchain.pem"), &fixture("p256.key")).unwrap_err();
    assert!(matches!(missing.fault(), LoadFault::Missing), "{missing}");
    // A folder can be opened on some systems, and never be read.
    let folder = tempfile::tempdir().unwrap();
    let unreadable = ServerCertificate::load(folder.path(), &fixture("p256.key")).unwrap_err();
    assert!(matches!(unreadable.fault(), LoadFault::Unreadable(_)), "{unreadable}");
}

#[test]
fn a_certificate_out_of_its_time_is_loaded_with_a_warning() {
    let load = |name: &str| ServerCertificate::load(&fixture(name), &fixture("p256.key")).unwrap();
    let now = SystemTime::now();
    assert_eq!(load("p256.pem").warning(now), None);
    assert_eq!(load("expired.pem").warning(now), Some(CertificateWarning::Expired));
    assert_eq!(load("early.pem").warning(now), Some(CertificateWarning::NotYetValid));
    // 2021-01-01T00:00:00Z is the last second of its time.
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_609_459_200);
    assert_eq!(load("expired.pem").not_after(), end);
    assert_eq!(load("expired.pem").warning(end), None);
    assert_eq!(load("expired.pem").warning(end + Duration::from_secs(1)), Some(CertificateWarning::Expired));
    assert!(CertificateWarning::Expired.to_string().contains("renew it"));
}

#[test]
fn text_around_the_sections_is_skipped() {
    let bag = format!("Bag Attributes\n  friendlyName: x\n{}\n\n", text("p256.pem"));
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let files = Files::new(&bag.replace('\n', "\r\n"), &[parameters, &text("p256-sec1.key")].concat());
    assert_eq!(files.load().unwrap().chain().len(), 1);
}

#[test]
fn a_renewal_is_used_once_both_files_fit() {
    for certificate_first in [true, false] {
        let files = Files::new(&text("p256.pem"), &text("p256.key"));
        let mut reloader = files.reloader();
        let before = reloader.current().chain().to_vec();
        assert_eq!(reloader.check(later()).unwrap(), Reload::Unchanged);
        let steps = [(&files.certificate, text("renewed.pem")), (&files.key, text("renewed.key"))];
        let order: [usize; 2] = if certificate_first { [0, 1] } else { [1, 0] };
        let (path, contents) = &steps[order[0]];
        fs::write(path, contents).unwrap();
        for _ in 0..2 {
            let error = reloader.check(later()).unwrap_err();
            assert!(matches!(error.fault(), LoadFault::DoesNotFit), "{error}");
            assert_eq!(reloader.current().chain(), before);
        }
        let (path, contents) = &steps[order[1]];
        fs::write(path, contents).unwrap();
        assert_eq!(reloader.check(later()).unwrap(), Reload::Replaced(None));
        assert_ne!(reloader.current().chain(), before);
        assert_eq!(reloader.check(later()).unwrap(), Reload::Unchanged);
    }
}

#[test]
fn a_half_written_file_changes_nothing() {
    let files = Files::new(&text("p256.pem"), &text("p256.key"));
    let mut reloader = files.reloader();
    let whole = text("renewed.pem");
    for len in [0, 1, 30, whole.len() / 2, whole.len() - 2] {
        fs::write(&files.certificate, &whole[..len]).unwrap();
        reloader.check(later()).unwrap_err();
    }
    fs::write(&files.certificate, text("p256.pem")).unwrap();
    assert_eq!(reloader.check(later()).unwrap(), Reload::Unchanged, "the old pair came back");
    fs::write(&files.certificate, text("expired.pem")).unwrap();
    let replaced = reloader.check(later()).unwrap();
    assert_eq!(replaced, Reload::Replaced(Some(CertificateWarning::Expired)));
}

#[test]
fn removed_files_change_nothing_until_they_come_back() {
    let files = Files::new(&text("p256.pem"), &text("p256.key"));
    let mut reloader = files.reloader();
    fs::remove_file(&files.key).unwrap();
    let error = reloader.check(later()).unwrap_err();
    assert!(matches!(error.fault(), LoadFault::Missing));
    assert_eq!(error.path(), files.key);
    fs::remove_file(&files.certificate).unwrap();
    reloader.check(later()).unwrap_err();
    fs::write(&files.certificate, text("renewed.pem")).unwrap();
    fs::write(&files.key, text("renewed.key")).unwrap();
    assert_eq!(reloader.check(later()).unwrap(), Reload::Replaced(None));
}

/// Files whose time stamps are too recent are read again at each check, because a second change
/// might leave the same time stamps.
#[test]
fn a_change_right_after_reading_is_not_missed() {
    let files = Files::new(&text("p256.pem"), &text("p256.key"));
    let mut reloader = Reloader::load(&files.certificate, &files.key, SystemTime::now()).unwrap();
    let old = fs::metadata(&files.certificate).unwrap().modified().unwrap();
    for (path, name) in [(&files.certificate, "renewed.pem"), (&files.key, "renewed.key")] {
        fs::write(path, text(name)).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(reloader.check(SystemTime::now()).unwrap(), Reload::Replaced(None));
    assert_eq!(reloader.check(SystemTime::now()).unwrap(), Reload::Unchanged);
}

/// Tests the two ways to renew by symbolic links: certbot points two links to new files, one after
/// the other; Kubernetes points one link to a new folder.
#[cfg(unix)]
#[test]
fn links_that_point_elsewhere_are_followed() {
    use std::os::unix::fs::symlink;
    let files = Files::new("", "");
    let swap = |target: &Path, link: &Path| {
        let next = link.with_extension("next");
        symlink(target, &next).unwrap();
        fs::rename(&next, link).unwrap();
    };
    for (generation, name) in [("1", "p256"), ("2", "renewed")] {
        let folder = files.folder.path().join(generation);
        fs::create_dir(&folder).unwrap();
        fs::copy(fixture(&format!("{name}.pem")), folder.join("fullchain.pem")).unwrap();
        fs::copy(fixture(&format!("{name}.key")), folder.join("privkey.pem")).unwrap();
    }
    swap(&files.folder.path().join("1/fullchain.pem"), &files.certificate);
    swap(&files.folder.path().join("1/privkey.pem"), &files.key);
    let mut reloader = files.reloader();
    swap(&files.folder.path().join("2/fullchain.pem"), &files.certificate);
    assert!(matches!(reloader.check(later()).unwrap_err().fault(), LoadFault::DoesNotFit));
    swap(&files.folder.path().join("2/privkey.pem"), &files.key);
    assert_eq!(reloader.check(later()).unwrap(), Reload::Replaced(None));

    let data = files.folder.path().join("data");
    symlink(files.folder.path().join("1"), &data).unwrap();
    let (certificate, key) = (data.join("fullchain.pem"), data.join("privkey.pem"));
    let mut reloader = Reloader::load(&certificate, &key, later()).unwrap();
    swap(&files.folder.path().join("2"), &data);
    assert_eq!(reloader.check(later()).unwrap(), Reload::Replaced(None));
    fs::remove_file(&data).unwrap();
    assert!(matches!(reloader.check(later()).unwrap_err().fault(), LoadFault::Missing));
}

/// New handshakes of a running server get the new certificate, and open connections stay.
#[tokio::test]
async fn new_handshakes_get_the_new_pair() {
    use common::{pair, send, trusting, within};
    let files = Files::new(&text("expired.pem"), &text("p256.key"));
    let mut reloader = files.reloader();
    let server = deaddrop_tls::server_config(reloader.resolver()).unwrap();
    let client = deaddrop_tls::client_config(&deaddrop_tls::Verify::PinnedOnly).unwrap();
    let (mut near, mut far) = within(pair(client, server.clone())).await;
    let (refused, _) = within(common::try_pair(trusting("root.pem"), server.clone(), common::NAME)).await;
    refused.unwrap_err();
    fs::write(&files.certificate, text("renewed.pem")).unwrap();
    fs::write(&files.key, text("renewed.key")).unwrap();
    assert_eq!(reloader.check(later()).unwrap(), Reload::Replaced(None));
    within(pair(trusting("root.pem"), server)).await;
    within(send(&mut near, &mut far, 100)).await;
}
