//! Whether a CIB is well built: which elements, attributes and values may stand where.
//!
//! A CIB names the schema it follows (`validate-with`), from pacemaker-1.0 of 2010 to 3.9 of 2022.
//! Here all of them are one table ([`table`]) in which every element, attribute and word knows
//! since when and until when it exists, so that a diagnosis can say "since pacemaker-3.7" instead
//! of "invalid". Everything wrong is found in one run ([`validate`]), each with its place and what
//! to do about it ([`Finding`]); [`render`] shows it in the text.

mod admit;
mod check;
mod finding;
mod render;
mod sample;
mod table;
mod version;

pub use admit::{Refusal, admit};
pub use check::{validate, validate_as};
pub use finding::{Code, Finding, Report};
pub use render::render;
pub use sample::sample;
pub use version::Schema;
