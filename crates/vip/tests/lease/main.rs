//! The lease machine against a model of the kernel's table.

mod bench;
mod property;
mod stories;
