//! Items: golden bytes of every type.
