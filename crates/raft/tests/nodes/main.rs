//! The engine among nodes: one order, whatever happens to some of them.

mod kill;
mod order;
mod speed;
mod wire;
mod world;
