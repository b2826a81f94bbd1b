//! The keeper against a small kernel: stories, and everything in any order.

mod kernel;
mod property;
mod world;
