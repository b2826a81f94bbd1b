//! The cluster world: whole nodes over a model engine, with everything that goes wrong around them.

mod engine;
mod world;

pub use world::{Outcome, run};
