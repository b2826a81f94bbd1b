//! The page the figures end on, and its plot.

use std::fmt::Write as _;

use super::figures::{Figure, Spread};

/// One thing that was measured of both.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: String,
    pub(super) keepalived: Spread,
    pub(super) mainstay: Spread,
}

/// All of it.
pub(super) struct Page {
    machine: String,
    rows: Vec<Row>,
    instructions: Vec<(String, u64)>,
}

/// Geometry of the plot, in pixels.
const LINE: usize = 34;
const NAMES: usize = 470;
const BARS: i64 = 330;

impl Page {
    pub(super) fn new(machine: String) -> Self {
        Self { machine, rows: Vec::new(), instructions: Vec::new() }
    }

    pub(super) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn instructions(&mut self, found: Vec<(String, u64)>) {
        self.instructions = found;
    }

    /// The load at the end.
    pub(super) fn loads(&mut self, after: &str) {
        let _ = write!(self.machine, ", after: {after}");
    }

    /// The page in Markdown.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "# Performance\n\nWritten by `cargo xtask bench`; do not edit. Both daemons run the same \
             keepalived.conf with their\ndefault settings (mainstay's lease on), in turns, and the same \
             scripts judge them. Least / **median** / most.\nLess is better everywhere. What one \
             instance costs and where it goes is told in [scale.md](scale.md).\n\n",
        );
        let _ = writeln!(text, "{}.\n", self.machine);
        text += "![The medians, of each pair the longer one as full length](performance.svg)\n\n";
        text +=
            "| what | unit | keepalived | mainstay | of keepalived's |\n|---|---|---|---|---|\n";
        for Row { what, unit, keepalived, mainstay } in &self.rows {
            let share = Figure::percent(mainstay.median(), keepalived.median());
            let _ = writeln!(text, "| {what} | {unit} | {keepalived} | {mainstay} | {share} |");
        }
        if !self.instructions.is_empty() {
            text += &instructions(&self.instructions);
        }
        text
    }

    /// The medians as bars.
    pub(super) fn plot(&self) -> String {
        let height = LINE * (self.rows.len() + 1);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"white\"/>\n<text x=\"{NAMES}\" y=\"20\" fill=\"#999\">■ keepalived</text>\
             <text x=\"{}\" y=\"20\" fill=\"#1668b3\">■ mainstay</text>\n",
            NAMES + 110
        );
        for (n, row) in self.rows.iter().enumerate() {
            let top = LINE * (n + 1);
            let medians = [row.keepalived.median(), row.mainstay.median()];
            let most = medians.iter().flatten().map(|figure| figure.0).max().unwrap_or(1).max(1);
            let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">{}</text>", top + 16, row.what);
            for (k, (median, fill)) in medians.iter().zip(["#999", "#1668b3"]).enumerate() {
                let y = top + 2 + 13 * k;
                let width = median.map_or(0, |figure| figure.0.max(0) * BARS / most);
                let told = median.map_or("never".to_owned(), |f| format!("{f} {}", row.unit));
                let _ = writeln!(
                    svg,
                    "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{width}\" height=\"11\" fill=\"{fill}\"/>\
                     <text x=\"{}\" y=\"{}\" font-size=\"10\">{told}</text>",
                    i64::try_from(NAMES).unwrap_or(0) + width + 4,
                    y + 9
                );
            }
        }
        svg + "</svg>\n"
    }
}

/// The table of instructions in Markdown.
pub(super) fn instructions(found: &[(String, u64)]) -> String {
    let mut text = String::from(
        "\n## Instructions\n\nCounted by valgrind, so the same on a busy machine. For each packet, advert \
         or VIP:\n\n| path | instructions |\n|---|---|\n",
    );
    for (name, count) in found {
        let _ = writeln!(text, "| {name} | {count} |");
    }
    text
}
