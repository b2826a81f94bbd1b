//! The grammar of a CIB as a table.
//!
//! A [`Rule`] names a kind of element. It may be written in one of several [`Form`]s (a set of its
//! own or a reference to another, a constraint of two resources or of sets); a form says which
//! attributes and which content. Whatever came later than the first schema, or went, carries its
//! range. The rows themselves are in the modules below, by section of the document.

mod constraints;
mod resources;
mod rules;
mod sections;
mod sets;

use super::Schema;

/// A kind of element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    Cib,
    Configuration,
    Status,
    CrmConfig,
    Defaults,
    Nodes,
    Node,
    Resources,
    Primitive,
    Template,
    Group,
    Clone,
    Bundle,
    Container,
    Network,
    PortMapping,
    Storage,
    StorageMapping,
    Operations,
    Op,
    Constraints,
    Location,
    Colocation,
    Order,
    Ticket,
    ResourceSet,
    ResourceRef,
    Lifetime,
    FencingTopology,
    FencingLevel,
    Acls,
    AclUser,
    OldAclRole,
    OldAcl,
    AclTarget,
    AclGroup,
    AclRole,
    AclPermission,
    IdRef,
    Tags,
    Tag,
    ObjRef,
    Alerts,
    Alert,
    Recipient,
    Select,
    SelectAttributes,
    SelectAttribute,
    Empty,
    Set(Names),
    Pair(Names),
    Conditions,
    Expression,
    DateExpression,
    Duration,
    DateSpec,
    RscExpression,
    OpExpression,
}

/// Which names the pairs of a set may not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Names {
    Any,
    Cluster,
    ResourceMeta,
    ResourceInstance,
    OpMeta,
    OpInstance,
}

/// One way to write an element.
pub(super) struct Form {
    pub(super) attributes: &'static [&'static [Attribute]],
    /// Of each of these, exactly one.
    pub(super) one_of: &'static [&'static [&'static str]],
    /// Of each of these, at most one.
    pub(super) at_most_one_of: &'static [&'static [&'static str]],
    pub(super) content: Content,
    pub(super) range: Range,
}

/// What may stand between the tags.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Anything at all.
    Anything,
    /// Nothing.
    Nothing,
    /// These, in any order.
    Mixed(&'static [Slot]),
    /// These, one behind the other.
    Listed(&'static [Slot]),
}

/// A place for elements.
pub(super) struct Slot {
    pub(super) children: &'static [Child],
    pub(super) least: usize,
    pub(super) most: usize,
}

/// An element that may stand in a slot.
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    pub(super) range: Range,
}

/// An attribute an element may have.
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) must: bool,
    pub(super) kind: Kind,
    pub(super) range: Range,
}

/// Which values an attribute may have.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Id,
    IdRef,
    Bool,
    Integer,
    Natural,
    Positive,
    Score,
    /// One of these words.
    Words(&'static [Word]),
    /// Any but these words.
    But(&'static [&'static str]),
    /// Names with commas between them.
    Devices,
    /// Digits and dashes.
    Ports,
}

/// A word, and since when it may be used.
pub(super) struct Word {
    pub(super) text: &'static str,
    pub(super) range: Range,
}

/// The schemas in which something exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) since: Schema,
    pub(super) until: Schema,
}

impl Range {
    pub(super) const ALWAYS: Range = Range { since: Schema::OLDEST, until: Schema::LATEST };

    pub(super) fn has(self, schema: Schema) -> bool {
        self.since <= schema && schema <= self.until
    }
}

const fn form(attributes: &'static [&'static [Attribute]], content: Content) -> Form {
    Form { attributes, one_of: &[], at_most_one_of: &[], content, range: Range::ALWAYS }
}

const fn must(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, must: true, kind, range: Range::ALWAYS }
}

const fn may(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, must: false, kind, range: Range::ALWAYS }
}

const fn child(name: &'static str, rule: Rule) -> Child {
    Child { name, rule, range: Range::ALWAYS }
}

const fn word(text: &'static str) -> Word {
    Word { text, range: Range::ALWAYS }
}

const fn one(children: &'static [Child]) -> Slot {
    Slot { children, least: 1, most: 1 }
}

const fn maybe(children: &'static [Child]) -> Slot {
    Slot { children, least: 0, most: 1 }
}

const fn any(children: &'static [Child]) -> Slot {
    Slot { children, least: 0, most: usize::MAX }
}

const fn some(children: &'static [Child]) -> Slot {
    Slot { children, least: 1, most: usize::MAX }
}

macro_rules! ranged {
    ($($type:ident)*) => {$(
        impl $type {
            const fn since(mut self, since: Schema) -> Self {
                self.range.since = since;
                self
            }

            #[allow(dead_code, reason = "not everything ever went")]
            const fn until(mut self, until: Schema) -> Self {
                self.range.until = until;
                self
            }
        }
    )*};
}

ranged! { Form Child Attribute Word }

impl Form {
    const fn one_of(mut self, sets: &'static [&'static [&'static str]]) -> Self {
        self.one_of = sets;
        self
    }

    const fn at_most_one_of(mut self, sets: &'static [&'static [&'static str]]) -> Self {
        self.at_most_one_of = sets;
        self
    }
}

impl Rule {
    /// The ways to write such an element.
    pub(super) fn forms(self) -> &'static [Form] {
        match self {
            Rule::Set(names) => sets::set(names),
            Rule::Pair(names) => sets::pair(names),
            Rule::Conditions
            | Rule::Expression
            | Rule::DateExpression
            | Rule::Duration
            | Rule::DateSpec
            | Rule::RscExpression
            | Rule::OpExpression => rules::forms(self),
            Rule::Resources
            | Rule::Primitive
            | Rule::Template
            | Rule::Group
            | Rule::Clone
            | Rule::Bundle
            | Rule::Container
            | Rule::Network
            | Rule::PortMapping
            | Rule::Storage
            | Rule::StorageMapping
            | Rule::Operations
            | Rule::Op => resources::forms(self),
            Rule::Constraints
            | Rule::Location
            | Rule::Colocation
            | Rule::Order
            | Rule::Ticket
            | Rule::ResourceSet
            | Rule::ResourceRef
            | Rule::Lifetime => constraints::forms(self),
            _ => sections::forms(self),
        }
    }

    /// Whether its grammar belongs to sets and rules, which some sections follow later than others.
    pub(super) fn is_shared(self) -> bool {
        matches!(
            self,
            Rule::Set(_)
                | Rule::Pair(_)
                | Rule::Conditions
                | Rule::Expression
                | Rule::DateExpression
                | Rule::Duration
                | Rule::DateSpec
                | Rule::RscExpression
                | Rule::OpExpression
        )
    }
}

/// The schema whose sets and rules a section of the configuration uses.
pub(super) fn shared(section: &str, schema: Schema) -> Schema {
    let steps: &[Schema] = match section {
        "crm_config" | "rsc_defaults" | "op_defaults" => &[Schema::V3_0],
        "constraints" => &[Schema::V3_5, Schema::V2_9],
        "alerts" => &[Schema::V3_5, Schema::V2_9, Schema::V1_3],
        _ => return schema,
    };
    match steps.split_first() {
        // From the first on a section keeps up; before, it stays at the last one reached.
        Some((first, _)) if schema >= *first => schema,
        _ => steps.iter().copied().find(|step| schema >= *step).unwrap_or(Schema::V1_2),
    }
}

const ROLES: Kind = Kind::Words(&[
    word("Stopped"),
    word("Started"),
    word("Slave"),
    word("Master"),
    word("Promoted").since(Schema::V3_7),
    word("Unpromoted").since(Schema::V3_7),
]);
