//! The folder of one person, and what opens the vault in it.

use std::{
    env,
    path::{Path, PathBuf},
};

use deaddrop_client::{Client, Config, Unlock};
use zeroize::Zeroizing;

use crate::{
    args::Common,
    failure::Failure,
    marks::Marks,
    output::Output,
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
    /// The folder asked for, or the default: `$XDG_DATA_HOME/deaddrop`, else `~/.local/share/deaddrop`.
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

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the key of a vault without passphrase lies.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    /// Whether somebody lives here: asked before anybody is asked for a passphrase.
    pub fn has_vault(&self) -> Result<bool, Failure> {
        self.folder.join("vault").try_exists().map_err(|error| {
            Failure::new(format_args!("the folder {} cannot be looked at: {error}", self.folder.display()))
        })
    }

    /// Opens the vault in it and connects in the background.
    pub async fn open(&self, common: &Common, config: Config) -> Result<Client, Failure> {
        if !self.has_vault()? {
            return Err(Failure::new(format_args!(
                "there is no vault in {}; make one with init, or give --home DIR",
                self.folder.display()
            )));
        }
        let unlock = if self.key_file().exists() {
            if common.passphrase_file.is_some() {
                return Err(Failure::new(format_args!(
                    "this vault has no passphrase, its key is in {}; leave out --passphrase-file",
                    self.key_file().display()
                )));
            }
            Unlock::KeyFile
        } else {
            let passphrase =
                Passphrase::obtain(common.passphrase_file.as_deref(), Ask::Once).map_err(|failure| {
                    Failure::new(format_args!(
                        "{failure}\n(a vault made with --no-passphrase opens with {}, which is not there)",
                        self.key_file().display()
                    ))
                });
            with(passphrase?)
        };
        let client = Client::open(&self.folder, unlock, config).await?;
        // Before a relay has answered, and with it the first new event can come.
        Marks::load(self).forget_unknown(&client)?;
        let damaged = client.status()?.damaged;
        if damaged > 0 {
            Output::new(common.json).note(format_args!(
                "deaddrop: the disk has damaged this vault: {damaged} of its records are lost, and nobody can tell which. \
                 Look at your contacts; make a new vault and new invites if one is missing or not as it was"
            ));
        }
        Ok(client)
    }
}

/// A passphrase as the vault takes it.
pub fn with(passphrase: Passphrase) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(passphrase.expose().to_owned()))
}
