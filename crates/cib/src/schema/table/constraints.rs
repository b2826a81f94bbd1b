//! Constraints: where, with whom, in which order, with which ticket.

use super::{
    Attribute, Content, Form, Kind, ROLES, Rule, Slot, any, child, form, may, maybe, must, some,
    word,
};
use crate::schema::Schema;

const ACTIONS: Kind = Kind::Words(&[word("start"), word("promote"), word("demote"), word("stop")]);

const KINDS: Kind = Kind::Words(&[word("Optional"), word("Mandatory"), word("Serialize")]);

const ID: &[Attribute] = &[must("id", Kind::Id)];
const SETS: Slot = some(&[child("resource_set", Rule::ResourceSet)]);
const RULES: Slot = some(&[child("rule", Rule::Conditions)]);
const LIFETIME: Slot = maybe(&[child("lifetime", Rule::Lifetime)]);

static CONSTRAINTS: [Form; 1] = [form(
    &[],
    Content::Mixed(&[any(&[
        child("rsc_location", Rule::Location),
        child("rsc_colocation", Rule::Colocation),
        child("rsc_order", Rule::Order),
        child("rsc_ticket", Rule::Ticket).since(Schema::V1_2),
    ])]),
)];

const LOCATION: &[Attribute] = &[
    must("id", Kind::Id),
    may("resource-discovery", Kind::Words(&[word("always"), word("never"), word("exclusive")]))
        .since(Schema::V2_2),
];
const LOCATED: &[Attribute] = &[must("rsc", Kind::IdRef), may("role", ROLES).since(Schema::V1_2)];
const LOCATED_PATTERN: &[Attribute] = &[must("rsc-pattern", Kind::Text), may("role", ROLES)];
const SCORED: &[Attribute] = &[must("score", Kind::Score), must("node", Kind::Text)];

static LOCATION_FORMS: [Form; 6] = [
    form(&[LOCATION, LOCATED, SCORED], Content::Listed(&[LIFETIME])),
    form(&[LOCATION, LOCATED], Content::Listed(&[RULES, LIFETIME])),
    form(&[LOCATION, LOCATED_PATTERN, SCORED], Content::Listed(&[LIFETIME])).since(Schema::V2_6),
    form(&[LOCATION, LOCATED_PATTERN], Content::Listed(&[RULES, LIFETIME])).since(Schema::V2_6),
    form(&[LOCATION, SCORED], Content::Listed(&[SETS, LIFETIME])).since(Schema::V1_2),
    form(&[LOCATION], Content::Listed(&[SETS, RULES, LIFETIME])).since(Schema::V1_2),
];

const COLOCATION: &[Attribute] = &[
    must("id", Kind::Id),
    may("score", Kind::Score),
    may("score-attribute", Kind::Text).until(Schema::V2_10),
    may("score-attribute-mangle", Kind::Text).until(Schema::V2_10),
    may("influence", Kind::Text).since(Schema::V3_6),
];
const ONE_SCORE: &[&[&str]] = &[&["score", "score-attribute", "score-attribute-mangle"]];

static COLOCATION_FORMS: [Form; 2] = [
    form(
        &[
            COLOCATION,
            &[
                must("rsc", Kind::IdRef),
                must("with-rsc", Kind::IdRef),
                may("node-attribute", Kind::Text),
                may("rsc-role", ROLES),
                may("with-rsc-role", ROLES),
            ],
        ],
        Content::Listed(&[LIFETIME]),
    )
    .at_most_one_of(ONE_SCORE),
    form(&[COLOCATION], Content::Listed(&[LIFETIME, SETS])).at_most_one_of(ONE_SCORE),
];

const ORDER: &[Attribute] = &[
    must("id", Kind::Id),
    may("symmetrical", Kind::Bool),
    may("require-all", Kind::Bool).since(Schema::V2_3),
    may("score", Kind::Score),
    may("kind", KINDS),
];
const SCORE_OR_KIND: &[&[&str]] = &[&["score", "kind"]];

static ORDER_FORMS: [Form; 2] = [
    form(
        &[
            ORDER,
            &[
                must("first", Kind::IdRef),
                must("then", Kind::IdRef),
                may("first-action", ACTIONS),
                may("then-action", ACTIONS),
            ],
        ],
        Content::Listed(&[LIFETIME]),
    )
    .at_most_one_of(SCORE_OR_KIND),
    form(&[ORDER], Content::Listed(&[LIFETIME, SETS])).at_most_one_of(SCORE_OR_KIND),
];

const TICKET: &[Attribute] = &[
    must("id", Kind::Id),
    must("ticket", Kind::Text),
    may("loss-policy", Kind::Words(&[word("stop"), word("demote"), word("fence"), word("freeze")])),
];

static TICKET_FORMS: [Form; 2] = [
    form(&[TICKET, &[must("rsc", Kind::IdRef), may("rsc-role", ROLES)]], Content::Nothing),
    form(&[TICKET], Content::Mixed(&[SETS])),
];

static RESOURCE_SET: [Form; 2] = [
    form(
        &[
            ID,
            &[
                may("sequential", Kind::Bool),
                may("require-all", Kind::Bool).since(Schema::V1_2),
                may("ordering", Kind::Words(&[word("group"), word("listed")])).since(Schema::V2_1),
                may("action", ACTIONS),
                may("role", ROLES),
                may("score", Kind::Score),
                may("kind", KINDS).since(Schema::V3_0),
            ],
        ],
        Content::Mixed(&[some(&[child("resource_ref", Rule::ResourceRef)])]),
    )
    .at_most_one_of(SCORE_OR_KIND),
    form(&[&[must("id-ref", Kind::IdRef)]], Content::Nothing),
];

static RESOURCE_REF: [Form; 1] = [form(&[&[must("id", Kind::IdRef)]], Content::Nothing)];

static LIFETIME_FORMS: [Form; 1] = [form(&[], Content::Mixed(&[RULES]))];

pub(super) fn forms(rule: Rule) -> &'static [Form] {
    match rule {
        Rule::Constraints => &CONSTRAINTS,
        Rule::Location => &LOCATION_FORMS,
        Rule::Colocation => &COLOCATION_FORMS,
        Rule::Order => &ORDER_FORMS,
        Rule::Ticket => &TICKET_FORMS,
        Rule::ResourceSet => &RESOURCE_SET,
        Rule::ResourceRef => &RESOURCE_REF,
        _ => &LIFETIME_FORMS,
    }
}
