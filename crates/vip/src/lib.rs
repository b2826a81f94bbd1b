//! The keeper of wanted addresses and the announcer of where they live. Sans-IO.
