//! Rules: conditions on attributes, dates, resources and operations.

use super::{Attribute, Content, Form, Kind, Rule, child, form, may, maybe, must, one, some, word};
use crate::schema::Schema;

const RULE: &[Attribute] = &[
    must("id", Kind::Id),
    may("boolean-op", Kind::Words(&[word("or"), word("and")])),
    may("role", Kind::Text),
    may("score", Kind::Score),
    may("score-attribute", Kind::Text),
];

const CONDITIONS: Content = Content::Mixed(&[some(&[
    child("expression", Rule::Expression),
    child("date_expression", Rule::DateExpression),
    child("rule", Rule::Conditions),
    child("rsc_expression", Rule::RscExpression).since(Schema::V3_4),
    child("op_expression", Rule::OpExpression).since(Schema::V3_4),
])]);

/// What a date is compared with, by its parts.
const PARTS: &[Attribute] = &[
    must("id", Kind::Id),
    may("hours", Kind::Text),
    may("monthdays", Kind::Text),
    may("weekdays", Kind::Text),
    may("yearsdays", Kind::Text),
    may("months", Kind::Text),
    may("weeks", Kind::Text),
    may("years", Kind::Text),
    may("weekyears", Kind::Text),
    may("moon", Kind::Text),
    may("minutes", Kind::Text).since(Schema::V3_9),
    may("seconds", Kind::Text).since(Schema::V3_9),
];

const IN_RANGE: Attribute = must("operation", Kind::Words(&[word("in_range")]));
const DURATION: &[super::Child] = &[child("duration", Rule::Duration)];

static RULE_FORMS: [Form; 3] = [
    form(&[RULE], CONDITIONS).one_of(&[&["score", "score-attribute"]]).until(Schema::V3_8),
    form(&[RULE], CONDITIONS).at_most_one_of(&[&["score", "score-attribute"]]).since(Schema::V3_9),
    form(&[&[must("id-ref", Kind::IdRef)]], Content::Nothing),
];

static EXPRESSION: [Form; 1] = [form(
    &[&[
        must("id", Kind::Id),
        must("attribute", Kind::Text),
        must(
            "operation",
            Kind::Words(&[
                word("lt"),
                word("gt"),
                word("lte"),
                word("gte"),
                word("eq"),
                word("ne"),
                word("defined"),
                word("not_defined"),
            ]),
        ),
        may("value", Kind::Text),
        may(
            "type",
            Kind::Words(&[
                word("string"),
                word("number"),
                word("version"),
                word("integer").since(Schema::V3_5),
            ]),
        ),
        may("value-source", Kind::Words(&[word("literal"), word("param"), word("meta")]))
            .since(Schema::V2_9),
    ]],
    Content::Nothing,
)];

static DATE_EXPRESSION: [Form; 7] = [
    form(
        &[&[must("id", Kind::Id), IN_RANGE, may("start", Kind::Text), must("end", Kind::Text)]],
        Content::Nothing,
    )
    .until(Schema::V3_8),
    form(
        &[&[must("id", Kind::Id), IN_RANGE, must("start", Kind::Text)]],
        Content::Mixed(&[one(DURATION)]),
    )
    .until(Schema::V3_8),
    form(
        &[&[must("id", Kind::Id), IN_RANGE, must("start", Kind::Text), may("end", Kind::Text)]],
        Content::Mixed(&[maybe(DURATION)]),
    )
    .since(Schema::V3_9),
    form(
        &[&[must("id", Kind::Id), IN_RANGE, must("end", Kind::Text)]],
        Content::Mixed(&[maybe(DURATION)]),
    )
    .since(Schema::V3_9),
    form(
        &[&[
            must("id", Kind::Id),
            must("operation", Kind::Words(&[word("gt")])),
            must("start", Kind::Text),
        ]],
        Content::Nothing,
    ),
    form(
        &[&[
            must("id", Kind::Id),
            must("operation", Kind::Words(&[word("lt")])),
            must("end", Kind::Text),
        ]],
        Content::Nothing,
    ),
    form(
        &[&[must("id", Kind::Id), must("operation", Kind::Words(&[word("date_spec")]))]],
        Content::Mixed(&[one(&[child("date_spec", Rule::DateSpec)])]),
    ),
];

static DURATION_FORMS: [Form; 1] =
    [form(&[PARTS, &[may("days", Kind::Text).since(Schema::V3_9)]], Content::Nothing)];

static DATE_SPEC: [Form; 1] =
    [form(&[PARTS, &[may("yeardays", Kind::Text).since(Schema::V3_9)]], Content::Nothing)];

static RSC_EXPRESSION: [Form; 1] = [form(
    &[&[
        must("id", Kind::Id),
        may("class", Kind::Text),
        may("provider", Kind::Text),
        may("type", Kind::Text),
    ]],
    Content::Nothing,
)];

static OP_EXPRESSION: [Form; 1] = [form(
    &[&[must("id", Kind::Id), must("name", Kind::Text), may("interval", Kind::Text)]],
    Content::Nothing,
)];

pub(super) fn forms(rule: Rule) -> &'static [Form] {
    match rule {
        Rule::Conditions => &RULE_FORMS,
        Rule::Expression => &EXPRESSION,
        Rule::DateExpression => &DATE_EXPRESSION,
        Rule::Duration => &DURATION_FORMS,
        Rule::DateSpec => &DATE_SPEC,
        Rule::RscExpression => &RSC_EXPRESSION,
        _ => &OP_EXPRESSION,
    }
}
