//! Rules: conditions on node attributes, dates, resources and operations.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::dates::{Field, WallTime, duration};
use crate::score::Score;
use crate::value::leading_integer;
use crate::xml::Element;

/// A rule with what it gives to those who match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: Arc<str>,
    /// What matching is worth, as a number.
    pub score: Option<Score>,
    /// The node attribute that holds what matching is worth.
    pub score_attribute: Option<Arc<str>>,
    /// The role it speaks of, as written.
    pub role: Option<Arc<str>>,
    /// Whether one part suffices.
    pub any: bool,
    /// Its parts.
    pub parts: Vec<Condition>,
}

/// One part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A nested rule.
    Rule(Box<Rule>),
    /// A comparison of a node attribute.
    Attribute(Comparison),
    /// A comparison of the date.
    Date(DateTest),
    /// A resource's agent.
    Resource {
        /// `ocf`, `systemd`, …
        class: Option<Arc<str>>,
        /// `heartbeat`, …
        provider: Option<Arc<str>>,
        /// `IPaddr2`, …
        kind: Option<Arc<str>>,
    },
    /// An operation.
    Operation {
        /// `monitor`, …
        name: Arc<str>,
        /// Its interval in milliseconds.
        interval: Option<i64>,
    },
    /// Something that is not understood, and so never true.
    Unknown,
}

/// Comparison of a node attribute with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Name of the attribute; `#uname`, `#id`, `#kind` … among them.
    pub attribute: Arc<str>,
    /// `eq`, `ne`, `lt`, `gt`, `lte`, `gte`, `defined`, `not_defined`
    pub operation: Arc<str>,
    /// The other side.
    pub value: Option<Arc<str>>,
    /// `string`, `integer`, `number`, `version`
    pub kind: Option<Arc<str>>,
    /// `literal`, `param`, `meta`: what `value` names.
    pub source: Option<Arc<str>>,
}

/// Comparison of the present with dates.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DateTest {
    /// `in_range`, `gt`, `lt`, `date_spec`
    pub operation: Arc<str>,
    /// Beginning.
    pub start: Option<WallTime>,
    /// End.
    pub end: Option<WallTime>,
    /// Ranges of calendar fields, both ends included.
    pub pattern: Vec<(Field, Option<i64>, Option<i64>)>,
}

/// Gives the value of a name.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// What a rule is asked about.
#[derive(Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The present.
    pub now: WallTime,
    /// Attributes of the node.
    pub node: Option<Lookup<'a>>,
    /// Class, provider and type of the resource.
    pub agent: Option<(&'a str, &'a str, &'a str)>,
    /// Name and interval of the operation.
    pub operation: Option<(&'a str, i64)>,
    /// Parameters of the resource.
    pub parameter: Option<Lookup<'a>>,
    /// Meta attributes of the resource.
    pub meta: Option<Lookup<'a>>,
}

impl Rule {
    /// Reads a `<rule>`; `resolve` follows an `id-ref`.
    #[must_use]
    pub fn read<'a>(element: &'a Element, resolve: &dyn Fn(&'a Element) -> &'a Element) -> Self {
        Self::read_at(element, resolve, 0)
    }

    fn read_at<'a>(
        element: &'a Element,
        resolve: &dyn Fn(&'a Element) -> &'a Element,
        depth: usize,
    ) -> Self {
        let element = resolve(element);
        let parts = element
            .elements()
            .filter_map(|part| {
                Some(match part.name() {
                    // A rule that refers to one of its ancestors would never end.
                    "rule" if depth < 32 => {
                        Condition::Rule(Box::new(Self::read_at(part, resolve, depth + 1)))
                    }
                    "expression" => Condition::Attribute(comparison(resolve(part))),
                    "date_expression" => Condition::Date(date_test(resolve(part))),
                    "rsc_expression" => Condition::Resource {
                        class: part.get("class").map(Into::into),
                        provider: part.get("provider").map(Into::into),
                        kind: part.get("type").map(Into::into),
                    },
                    "op_expression" => Condition::Operation {
                        name: part.get("name").unwrap_or_default().into(),
                        interval: part.get("interval").and_then(crate::value::milliseconds),
                    },
                    "rule" => Condition::Unknown,
                    _ => return None,
                })
            })
            .collect();
        Self {
            id: element.id().unwrap_or_default().into(),
            score: element.get("score").and_then(Score::parse),
            score_attribute: element.get("score-attribute").map(Into::into),
            role: element.get("role").map(Into::into),
            any: element.get("boolean-op").is_some_and(|op| op.eq_ignore_ascii_case("or")),
            parts,
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let mut parts = self.parts.iter().map(|part| part.holds(facts));
        if self.any { parts.any(|holds| holds) } else { parts.all(|holds| holds) }
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Rule(rule) => rule.holds(facts),
            Self::Attribute(comparison) => comparison.holds(facts),
            Self::Date(test) => test.holds(facts.now),
            Self::Resource { class, provider, kind } => {
                facts.agent.is_some_and(|(its_class, its_provider, its_kind)| {
                    let fits = |wanted: &Option<Arc<str>>, is: &str| {
                        wanted.as_ref().is_none_or(|wanted| &**wanted == is)
                    };
                    fits(class, its_class) && fits(provider, its_provider) && fits(kind, its_kind)
                })
            }
            Self::Operation { name, interval } => facts.operation.is_some_and(|(its, every)| {
                &**name == its && interval.is_none_or(|wanted| wanted == every)
            }),
            Self::Unknown => false,
        }
    }
}

fn comparison(element: &Element) -> Comparison {
    Comparison {
        attribute: element.get("attribute").unwrap_or_default().into(),
        operation: element.get("operation").unwrap_or_default().into(),
        value: element.get("value").map(Into::into),
        kind: element.get("type").map(Into::into),
        source: element.get("value-source").map(Into::into),
    }
}

impl Comparison {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let ask = |source: Option<Lookup<'_>>, name: &str| source.and_then(|source| source(name));
        let left = ask(facts.node, &self.attribute);
        let named = self.value.as_deref().unwrap_or_default();
        let right = match self.source.as_deref() {
            Some("param") => ask(facts.parameter, named),
            Some("meta") => ask(facts.meta, named),
            _ => self.value.clone(),
        };
        match &*self.operation {
            "defined" => return left.is_some(),
            "not_defined" => return left.is_none(),
            "eq" if left.is_none() || right.is_none() => return left == right,
            "ne" if left.is_none() || right.is_none() => return left != right,
            _ => {}
        }
        let (Some(left), Some(right)) = (left, right) else { return false };
        let Some(order) = self.compare(&left, &right) else { return &*self.operation == "ne" };
        match &*self.operation {
            "eq" => order.is_eq(),
            "ne" => order.is_ne(),
            "lt" => order.is_lt(),
            "lte" => order.is_le(),
            "gt" => order.is_gt(),
            "gte" => order.is_ge(),
            _ => false,
        }
    }

    fn compare(&self, left: &str, right: &str) -> Option<Ordering> {
        let by_size = matches!(&*self.operation, "lt" | "lte" | "gt" | "gte");
        let kind = self.kind.as_deref().unwrap_or(match by_size {
            true if left.contains('.') || right.contains('.') => "number",
            true => "integer",
            false => "string",
        });
        let text = || left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase());
        let number = |text: &str| text.trim().parse::<f64>().ok();
        match kind {
            // What is no number is compared as text.
            "integer" => match (leading_integer(left), leading_integer(right)) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => Some(text()),
            },
            "number" => match (number(left), number(right)) {
                (Some(left), Some(right)) => left.partial_cmp(&right),
                _ => Some(text()),
            },
            "version" => Some(versions(left, right)),
            _ => Some(text()),
        }
    }
}

/// Compares dotted numbers; what is missing counts as zero.
#[must_use]
pub fn versions(left: &str, right: &str) -> Ordering {
    let mut left = left.split('.');
    let mut right = right.split('.');
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            return Ordering::Equal;
        }
        let number = |part: Option<&str>| part.and_then(leading_integer).unwrap_or(0);
        let order = number(a).cmp(&number(b));
        if order.is_ne() {
            return order;
        }
    }
}

fn date_test(element: &Element) -> DateTest {
    let start = element.get("start").and_then(WallTime::parse);
    let mut end = element.get("end").and_then(WallTime::parse);
    if let (None, Some(start), Some(span)) = (end, start, element.child("duration")) {
        let mut text = String::from("P");
        let mut time = String::from("T");
        for attr in span.attrs() {
            let Some(amount) = leading_integer(&attr.value) else { continue };
            match &*attr.name {
                "years" => text.push_str(&format!("{amount}Y")),
                "months" => text.push_str(&format!("{amount}M")),
                "weeks" => text.push_str(&format!("{amount}W")),
                "days" => text.push_str(&format!("{amount}D")),
                "hours" => time.push_str(&format!("{amount}H")),
                "minutes" => time.push_str(&format!("{amount}M")),
                "seconds" => time.push_str(&format!("{amount}S")),
                _ => {}
            }
        }
        end = duration(&(text + &time)).and_then(|span| start.after(span)).or(Some(start));
    }
    let mut pattern = Vec::new();
    if let Some(spec) = element.child("date_spec") {
        for attr in spec.attrs() {
            let Some(field) = Field::parse(&attr.name) else { continue };
            let value = attr.value.trim();
            let (low, high) = match value.split_once('-') {
                Some((low, high)) => (leading_integer(low), leading_integer(high)),
                None => (leading_integer(value), leading_integer(value)),
            };
            pattern.push((field, low, high));
        }
    }
    let operation = element.get("operation").unwrap_or("in_range").into();
    DateTest { operation, start, end, pattern }
}

impl DateTest {
    fn holds(&self, now: WallTime) -> bool {
        match &*self.operation {
            "in_range" => {
                (self.start.is_some() || self.end.is_some())
                    && self.start.is_none_or(|start| start <= now)
                    && self.end.is_none_or(|end| now <= end)
            }
            "gt" => self.start.is_some_and(|start| now > start),
            "lt" => self.end.is_some_and(|end| now < end),
            "date_spec" => self.pattern.iter().all(|(field, low, high)| {
                let value = field.of(now);
                low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high)
            }),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn holds(rule: &str, node: &[(&str, &str)], now: &str) -> bool {
        let element = parse(rule).expect("well-formed").root;
        let rule = Rule::read(&element, &|element| element);
        let attributes = |name: &str| {
            node.iter().find(|(key, _)| *key == name).map(|(_, value)| Arc::from(*value))
        };
        let now = WallTime::parse(now).expect("a time");
        rule.holds(&Facts { now, node: Some(&attributes), ..Facts::default() })
    }

    #[test]
    fn attributes() {
        let test = |operation: &str, value: &str, node: &[(&str, &str)]| {
            let rule = format!(
                "<rule id='r'><expression id='e' attribute='a' operation='{operation}' value='{value}'/></rule>"
            );
            holds(&rule, node, "2026-01-01")
        };
        assert!(test("eq", "X", &[("a", "x")]));
        assert!(!test("eq", "x", &[]));
        assert!(test("ne", "x", &[]));
        assert!(test("not_defined", "", &[]));
        assert!(test("lt", "10", &[("a", "9")]));
        assert!(test("gt", "1.5", &[("a", "1.75")]));
        assert!(!test("gt", "1", &[]));
        assert!(!test("resembles", "1", &[("a", "1")]));
    }

    #[test]
    fn dates_and_nesting() {
        let rule = "<rule id='r' boolean-op='or'>
            <date_expression id='d' operation='in_range' start='2026-01-01'><duration id='u' months='1'/></date_expression>
            <rule id='s'><date_expression id='t' operation='date_spec'><date_spec id='p' hours='9-16' weekdays='1-5'/></date_expression></rule>
        </rule>";
        assert!(holds(rule, &[], "2026-01-31 23:00"));
        assert!(!holds(rule, &[], "2026-03-01 10:00"));
        assert!(holds(rule, &[], "2026-03-02 10:00"));
        assert!(!holds(rule, &[], "2026-03-02 17:00"));
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(versions("2.10", "2.9"), Ordering::Greater);
        assert_eq!(versions("2", "2.0"), Ordering::Equal);
    }
}
