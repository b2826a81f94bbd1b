//! What the seam promises of an engine, held against an imagined CPG: by seed, and by stories.

mod seeds;
mod stories;
mod world;
