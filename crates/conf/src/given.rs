//! A block as it was written, for any block: what each keyword was given, by the keyword's name.
//!
//! The table says what each value must be, so nothing here knows any keyword. Who turns this into a
//! configuration asks for values by name and type; asking for a type the table does not give is a
//! mistake of ours, and the tests find it.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Name;

use crate::diagnostic::{Code, Diagnostic};
use crate::keywords::{Lines, Shape, Within};
use crate::lines::VipLine;
use crate::peers::InterfaceLine;
use crate::reader::{At, Reader, Recognised, Seen};
use crate::tree::{Block, Statement};
use crate::value::Value;
use crate::{Command, Place, Route, Rule, RunAs, Span, Weight};

/// The words of a line.
pub(crate) type Row = Vec<At<String>>;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Where each keyword stands, also those whose value was refused.
    pub(crate) seen: Seen,
    values: BTreeMap<&'static str, At<Value>>,
    rows: BTreeMap<&'static str, Vec<Row>>,
    pub(crate) vips: BTreeMap<&'static str, Vec<VipLine>>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) interfaces: Vec<InterfaceLine>,
}

/// A block with a name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: At<String>,
    pub(crate) given: Given,
}

impl Given {
    pub(crate) fn set(&mut self, name: &'static str, value: At<Value>) {
        self.values.insert(name, value);
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(|at| &at.value)
    }

    /// Where the value stands; for a keyword alone, the keyword.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.values.get(name).map(|at| at.span)
    }

    /// The same, for a configuration value.
    pub(crate) fn place(&self, name: &str, else_: Span) -> Place {
        Place(self.span(name).unwrap_or(else_))
    }

    /// Whether the keyword stands there and is not switched off.
    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Switch(on)) => *on,
            Some(_) => true,
        }
    }

    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(|_| self.flag(name))
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        match self.get(name)? {
            Value::Integer(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        match self.get(name)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::Text(text) => Some(text.clone()),
            Value::Name(name) => Some(name.as_str().to_owned()),
            Value::Choice(word) => Some((*word).to_owned()),
            Value::Bare => Some(String::new()),
            _ => None,
        }
    }

    pub(crate) fn name(&self, name: &str) -> Option<Name> {
        self.text(name).filter(|text| !text.is_empty()).map(Name::from)
    }

    pub(crate) fn choice(&self, name: &str) -> Option<&'static str> {
        match self.get(name)? {
            Value::Choice(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn address(&self, name: &str) -> Option<core::net::IpAddr> {
        match self.get(name)? {
            Value::Address(address) => Some(*address),
            _ => None,
        }
    }

    pub(crate) fn weight(&self, name: &str) -> Option<Weight> {
        match self.get(name)? {
            Value::Weight(weight) => Some(*weight),
            _ => None,
        }
    }

    pub(crate) fn command(&self, name: &str) -> Option<Command> {
        match self.get(name)? {
            Value::Command(command) => Some(command.clone()),
            _ => None,
        }
    }

    pub(crate) fn run_as(&self, name: &str) -> Option<RunAs> {
        match self.get(name)? {
            Value::RunAs(run_as) => Some(run_as.clone()),
            _ => None,
        }
    }

    pub(crate) fn fifo(&self, name: &str) -> Option<(String, Option<RunAs>)> {
        match self.get(name)? {
            Value::Fifo(path, owner) => Some((path.clone(), owner.clone())),
            _ => None,
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<u32> {
        match self.get(name) {
            Some(Value::Numbers(numbers)) => numbers.clone(),
            _ => Vec::new(),
        }
    }

    /// The words behind a keyword; `None` when it does not stand there.
    pub(crate) fn words(&self, name: &str) -> Option<&[At<String>]> {
        match self.get(name)? {
            Value::Words(words) => Some(words),
            _ => None,
        }
    }

    /// The lines of a block, or those of a keyword that may stand several times.
    pub(crate) fn rows(&self, name: &str) -> &[Row] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a block of lines was read, even an empty one.
    pub(crate) fn has_rows(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    /// All words of a block's lines.
    pub(crate) fn listed(&self, name: &str) -> impl Iterator<Item = &At<String>> {
        self.rows(name).iter().flatten()
    }
}

impl Reader<'_> {
    /// Reads a block that contains no other blocks of keywords.
    pub(crate) fn given(&mut self, within: Within, block: &Block) -> Given {
        let mut given = Given::default();
        for statement in &block.statements {
            let Some(line) = self.recognise(within, statement, &mut given.seen) else { continue };
            self.take(&line, statement, &mut given);
        }
        given
    }

    /// Reads a block with a name.
    pub(crate) fn named(
        &mut self,
        within: Within,
        statement: &Statement,
        block: &Block,
    ) -> Option<Named> {
        let name = self.block_name(statement)?;
        let given = self.given(within, block);
        Some(Named { name, given })
    }

    /// Notes what a line says.
    pub(crate) fn take(&mut self, line: &Recognised, statement: &Statement, given: &mut Given) {
        let name = line.keyword.name;
        let Some(block) = &statement.block else {
            let Some(value) = self.value(line.written, statement) else { return };
            if matches!(line.keyword.shape, Shape::Repeated(_)) {
                if let Value::Words(words) = value.value {
                    given.rows.entry(name).or_default().push(words);
                }
            } else {
                given.set(name, value);
            }
            return;
        };
        self.at_most(&format!("`{name}`"), statement.arguments(), 0);
        let Shape::Lines(lines) = line.keyword.shape else {
            unreachable!("the block {name} has a reader of its own");
        };
        match lines {
            Lines::Vips => {
                let vips = self.vips(block, name == "static_ipaddress");
                given.vips.entry(name).or_default().extend(vips);
            }
            Lines::Routes => given.routes.extend(self.routes(block)),
            Lines::Rules => given.rules.extend(self.rules(block)),
            Lines::Interfaces => given.interfaces.extend(self.interfaces(block)),
            Lines::Peers => unreachable!("only instances have peers"),
            Lines::Tracked(_)
            | Lines::Names(_)
            | Lines::Mail
            | Lines::Delays
            | Lines::Carriers
            | Lines::Free(_) => {
                if lines == Lines::Mail && block.statements.is_empty() {
                    self.report.push(
                        Diagnostic::warning(
                            Code::ValueMissing,
                            statement.keyword(),
                            format!("`{name}` lists nobody"),
                        )
                        .label("an empty block")
                        .help("list mail addresses, one a line, or remove the block"),
                    );
                }
                let rows = given.rows.entry(name).or_default();
                for statement in &block.statements {
                    if self.no_block_in(statement) {
                        rows.extend(self.row(&statement.words));
                    }
                }
            }
        }
    }

    fn row(&mut self, words: &[Span]) -> Option<Row> {
        words.iter().map(|span| Some(At::new(self.word(*span)?.into_owned(), *span))).collect()
    }
}
