//! The blind relay of deaddrop: mailboxes that forget.
