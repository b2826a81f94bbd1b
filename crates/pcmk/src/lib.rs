//! Pacemaker's outward face: its tools by their names, with their texts and their XML.
//!
//! Everything here translates: from command lines to questions, and from plans to what
//! `crm_simulate` would have printed. No decision is taken here.

#![forbid(unsafe_code)]

pub mod answer;
pub mod dot;
pub mod execute;
pub mod failure;
pub mod glance;
pub mod graph;
pub mod inject;
mod input;
pub mod live;
pub mod matrix;
pub mod options;
pub mod paper;
pub mod picture;
pub mod simulate;
pub mod text;
pub mod verify;
pub mod why;
