//! The folder of one person, and the secret that opens the vault in it.

use std::{
    env,
    path::{Path, PathBuf},
};

use deaddrop_client::{Client, Config, OpenError, TlsRoots, TlsVerify, Unlock};
use zeroize::Zeroizing;

use crate::{
    args::{Common, TlsVerification},
    failure::Failure,
    marks,
    output::{Output, Typed},
    passphrase::{Ask, Passphrase},
};

/// The file beside a vault without passphrase that holds its key.
pub const KEY_FILE: &str = "vault.key";

/// The folder of one person.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// Returns the folder that `--home` names, or the default: `$XDG_DATA_HOME/deaddrop`, else
    /// `$HOME/.local/share/deaddrop`. A variable that is no absolute path counts as not set. Fails
    /// if there is no default.
    pub fn find(asked: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = asked {
            return Ok(Self { folder: folder.to_owned() });
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data =
            absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        let data = data.ok_or_else(|| {
            Failure::new("no folder to keep a vault in: give --home DIR or set DEADDROP_HOME")
        })?;
        Ok(Self { folder: data.join("deaddrop") })
    }

    /// Returns the path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the file that holds the key of a vault without passphrase.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    /// Whether the folder holds a file of a vault. Checked before the user is asked for a
    /// passphrase.
    pub fn has_vault(&self) -> Result<bool, Failure> {
        self.folder.join("vault").try_exists().map_err(|error| {
            Failure::new(format_args!("the folder {} cannot be looked at: {error}", self.folder.display()))
        })
    }

    /// Opens the vault in the folder and connects in the background. Warns the user on stderr as
    /// [`note_modes`](Self::note_modes) does, and if the disk has damaged the vault.
    pub async fn open(&self, common: &Common, mut config: Config) -> Result<Client, Failure> {
        config.tls_verify = tls_verify(common)?;
        let unlock = self.unlock(common)?;
        let client = Client::open(&self.folder, unlock, config).await.map_err(|error| self.failure(error))?;
        let output = Output::new(common.json);
        self.note_modes(output);
        marks::take_over(&self.folder, &client).await?;
        let damaged = client.status()?.damaged;
        if damaged > 0 {
            output.note(format_args!(
                "the disk has damaged this vault: {damaged} of its records are lost, and the vault cannot tell which. \
                 Look at your contacts; make a new vault and new invites if one is missing or not as it was"
            ));
        }
        Ok(client)
    }

    /// Returns the passphrase or the key file that opens the vault in this folder. Asks for the
    /// passphrase if neither an option nor the environment gives it. Fails if there is no vault, or
    /// if `--passphrase-file` is given for a vault without passphrase.
    pub fn unlock(&self, common: &Common) -> Result<Unlock, Failure> {
        if !self.has_vault()? {
            return Err(Failure::of(
                OpenError::Absent,
                format_args!(
                    "there is no vault in {}; make one with init, or give --home DIR",
                    self.folder.display()
                ),
            ));
        }
        let output = Output::new(common.json);
        Ok(if Client::has_passphrase(&self.folder).map_err(|error| self.failure(error))? {
            if self.key_file().exists() {
                output.note(format_args!(
                    "{} does not belong to this vault, which has a passphrase. Move it away if it is another vault's, else \
                     remove it",
                    self.key_file().display()
                ));
            }
            with(Passphrase::obtain(common.passphrase_file.as_deref(), Ask::Once)?)
        } else if common.passphrase_file.is_some() {
            return Err(Failure::new(format_args!(
                "this vault has no passphrase, its key is in {}; leave out --passphrase-file",
                self.key_file().display()
            )));
        } else {
            Unlock::KeyFile
        })
    }
}

impl Home {
    /// Returns the failure for an error of making or opening the vault in this folder, with the
    /// path of the file that is concerned.
    pub fn failure(&self, error: OpenError) -> Failure {
        let (key, vault) = (self.key_file(), self.folder.join("vault"));
        match error {
            OpenError::KeyFileExposed => Failure::of(
                error,
                format_args!(
                    "other users of this machine may read or change {key}, and a user who has read it can read the vault. Take these rights \
                 away: chmod 600 {key}",
                    key = Typed(&key.to_string_lossy())
                ),
            ),
            OpenError::KeyFileMissing => Failure::of(
                error,
                format_args!(
                    "this vault has no passphrase, and its key file {} is missing; put it back",
                    key.display()
                ),
            ),
            // The file exists: this was checked before.
            OpenError::Absent if vault.exists() => Failure::of(
                error,
                format_args!(
                    "{} was not finished when it was made, and nothing is in it. Remove this file, then give init again",
                    vault.display()
                ),
            ),
            OpenError::DiskFull | OpenError::Io => {
                Failure::of(error, format_args!("{error} (folder {})", self.folder.display()))
            }
            error => error.into(),
        }
    }

    /// Warns the user on stderr if other users of this machine may change the folder, or read or
    /// change the vault's file.
    #[cfg(unix)]
    pub fn note_modes(&self, output: Output) {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        let vault = self.folder.join("vault");
        for (path, rights, what, right) in
            [(&self.folder, 0o022, "put other files into", "700"), (&vault, 0o066, "read or change", "600")]
        {
            if mode(path) & rights != 0 {
                output.note(format_args!(
                    "other users of this machine may {what} {path}: chmod {right} {path}",
                    path = Typed(&path.to_string_lossy())
                ));
            }
        }
    }

    /// Does nothing: this system does not tell which users may read a file.
    #[cfg(not(unix))]
    pub fn note_modes(&self, _output: Output) {}
}

/// Returns a passphrase in the form that the client takes.
pub fn with(passphrase: Passphrase) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(passphrase.expose().to_owned()))
}
/// Returns the rule for the TLS certificates of relays that the options give. Fails if the file of
/// authorities cannot be used.
pub fn tls_verify(common: &Common) -> Result<TlsVerify, Failure> {
    let roots = |path| TlsRoots::load(path).map(TlsVerify::Roots);
    match (&common.tls_roots, common.tls_verify) {
        (Some(path), _) => {
            roots(path).map_err(|error| Failure::new(format_args!("{}: {error}", path.display())))
        }
        (None, TlsVerification::Platform) => Ok(TlsVerify::Platform),
        (None, TlsVerification::PinnedOnly) => Ok(TlsVerify::PinnedOnly),
    }
}
