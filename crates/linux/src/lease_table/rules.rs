//! The rules of the lease table, as nf_tables expressions.
//!
//! ```text
//! set   alive       { type mark; flags timeout; }      the classes that live
//! set   v4-666      { type ipv4_addr; }                the VIPs of a class, and so on for each class
//! set   v6-666      { type ipv6_addr; }
//! set   mac-666     { type ether_addr; }               its virtual MACs
//! chain lease-666   { 666 not in alive: drop }
//! chain arp         { sender or target IP in v4-666: goto lease-666 }
//! chain ip          { protocol VRRP: accept; source or destination in v4-666: goto lease-666 }
//! chain ip6         { next header VRRP: accept; source, destination, or the target of a neighbour
//!                     solicitation or advertisement in v6-666: goto lease-666 }
//! chain mac         { source MAC in mac-666: goto lease-666 }
//! set   pin-666     { type ipv4_addr; }                VIPs that live at virtual MACs
//! chain pin         { sender IP in pin-666: goto virtual }
//! chain virtual     { source MAC in mac-666: return; a question: sender IP := 0, return; drop }
//! chain in-DEV      { hook ingress device DEV; by EtherType to arp, ip or ip6 }
//! chain out-DEV     { hook egress device DEV; ARP to pin, then the same, then: to mac }
//! ```
//!
//! An advert passes whoever sends it: an address owner's comes from a VIP, a virtual MAC's from that
//! MAC, and a farewell must leave after the lease is gone. (A frozen engine sends none.) The MAC is
//! looked at on the way out only: on the way in it is the next holder's.
//!
//! The kernel answers for an address by whatever interface hears the question, and a macvlan's parent
//! hears all that the macvlan does. So that neighbours learn the virtual MAC and no other (RFC 9568
//! §8.1.2), ARP about a VIP on a macvlan leaves with a virtual MAC or not at all. A question that the
//! node asks from there on behalf of a VIP, because its answer to somebody leaves by the parent, goes
//! out without telling who asks (RFC 5227 §1.1: a probe). This needs no switch of the parent
//! (`arp_ignore`, `arp_announce`), which is its owner's.
//!
//! A map from VIP to class would spare the sets of each class, but nft 1.0.6 aborts when it is asked
//! to list a look-up of what a map yields, and an administrator's `nft list ruleset` must not fail
//! because of us. All chains accept at their end, and they stand before everybody else's.

use std::collections::BTreeSet;

use base::LeaseClass;
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, DevHookNumber, ExpressionAttribute,
    Expressions, Hook, Immediate, ListAttribute, Lookup, Meta, MetaKey, NfTablesMessage, Operator,
    Payload, Register, RuleAttribute, RuleMessage, SetAttribute, SetFlags, SetMessage,
    TableAttribute, TableFlags, TableMessage, Verdict, VerdictAttribute,
};

use crate::nftables::Step;

pub(super) const ALIVE: &str = "alive";

/// What the sets of a class hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    V4,
    V6,
    Mac,
    Pin,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::V4, Kind::V6, Kind::Mac, Kind::Pin];

    /// The name of the set of this kind for a class.
    pub(super) fn set(self, class: LeaseClass) -> String {
        format!("{}{}", self.prefix(), class.number())
    }

    fn prefix(self) -> &'static str {
        match self {
            Kind::V4 => "v4-",
            Kind::V6 => "v6-",
            Kind::Mac => "mac-",
            Kind::Pin => "pin-",
        }
    }

    /// nft's number for the type, which only tells `nft list` how to print, and its length.
    fn key(self) -> (u32, u32) {
        match self {
            Kind::V4 | Kind::Pin => (7, 4),
            Kind::V6 => (8, 16),
            Kind::Mac => (9, 6),
        }
    }
}

/// The class that has a set of this name.
pub(super) fn class_of(set: &str) -> Option<LeaseClass> {
    set.strip_prefix(Kind::V4.prefix())?.parse().ok().map(LeaseClass::from_number)
}

/// The names of steps, by which a refusal is told and judged.
pub(super) mod step {
    pub(in super::super) const TABLE: &str = "table";
    pub(in super::super) const TIMED_SET: &str = "timed set";
    pub(in super::super) const SET: &str = "set of VIPs";
    pub(in super::super) const CHAIN: &str = "chain";
    pub(in super::super) const RULE: &str = "rule";
    pub(in super::super) const INGRESS: &str = "ingress hook";
    pub(in super::super) const EGRESS: &str = "egress hook";
}

const ARP: &str = "arp";
const IP: &str = "ip";
const IP6: &str = "ip6";
const MAC: &str = "mac";
const PIN: &str = "pin";
const VIRTUAL: &str = "virtual";

/// `NFT_PAYLOAD_LL_HEADER` and its kin.
const LINK_HEADER: u32 = 0;
pub(crate) const NETWORK_HEADER: u32 = 1;
pub(crate) const TRANSPORT_HEADER: u32 = 2;
/// `NFT_LOOKUP_F_INV`.
const INVERSE: u32 = 1;
/// `NF_DROP`, `NF_ACCEPT`.
pub(crate) const DROP: u32 = 0;
pub(crate) const ACCEPT: u32 = 1;
/// Before everybody else's chains on the same hook.
const PRIORITY: i32 = -1000;

const ARP_REQUEST: [u8; 2] = [0, 1];
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_IP6: u16 = 0x86dd;
const PROTOCOL_VRRP: u8 = 112;
pub(crate) const PROTOCOL_ICMP6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// nft's number for the type `mark`. Numbers stand in network order, which is how `nft list` reads them.
const TYPE_MARK: u32 = 19;

pub(crate) type Expression = ListAttribute<ExpressionAttribute>;

/// Everything but the chains of interfaces. Carried out again, it adds the classes that are new and
/// puts the rules in anew.
pub(super) fn build(table: &str, classes: &BTreeSet<LeaseClass>) -> Vec<Step> {
    let mut steps = vec![
        Step::create(
            step::TABLE,
            NfTablesMessage::NewTable(TableMessage {
                attributes: vec![
                    TableAttribute::Name(table.to_owned()),
                    TableAttribute::Flags(TableFlags::Owner | TableFlags::Persisent),
                ],
            }),
        ),
        set(table, step::TIMED_SET, ALIVE, 1, SetFlags::Timeout, (TYPE_MARK, 4)),
    ];
    let mut id = 1;
    for class in classes {
        for kind in Kind::ALL {
            id += 1;
            let flags = SetFlags::empty();
            steps.push(set(table, step::SET, &kind.set(*class), id, flags, kind.key()));
        }
        let chain = lease_chain(*class);
        steps.extend(empty_chain(table, &chain));
        steps.push(rule(table, &chain, drop_unless_alive(*class)));
    }
    for chain in [ARP, IP, IP6, MAC, PIN, VIRTUAL] {
        steps.extend(empty_chain(table, chain));
    }
    let network = |offset, length| payload(NETWORK_HEADER, offset, length);
    let vrrp = |offset| vec![network(offset, 1), equal(&[PROTOCOL_VRRP]), verdict(ACCEPT)];
    steps.push(rule(table, IP, vrrp(9)));
    steps.push(rule(table, IP6, vrrp(6)));
    for class in classes {
        let mut judge = |chain: &str, kind: Kind, mut expressions: Vec<Expression>| {
            expressions.push(look_up(&kind.set(*class), false));
            expressions.push(decide(Verdict::Goto, &lease_chain(*class)));
            steps.push(rule(table, chain, expressions));
        };
        for offset in [14, 24] {
            judge(ARP, Kind::V4, vec![network(offset, 4)]);
        }
        for offset in [12, 16] {
            judge(IP, Kind::V4, vec![network(offset, 4)]);
        }
        for offset in [8, 24] {
            judge(IP6, Kind::V6, vec![network(offset, 16)]);
        }
        let discovery = vec![
            meta(MetaKey::L4Proto),
            equal(&[PROTOCOL_ICMP6]),
            payload(TRANSPORT_HEADER, 0, 1),
            compare(Operator::GreatherThanEqual, &[NEIGHBOUR_SOLICITATION]),
            compare(Operator::LessThanEqual, &[NEIGHBOUR_ADVERTISEMENT]),
            payload(TRANSPORT_HEADER, 8, 16),
        ];
        judge(IP6, Kind::V6, discovery);
        judge(MAC, Kind::Mac, vec![payload(LINK_HEADER, 6, 6)]);
        let pinned = vec![
            network(14, 4),
            look_up(&Kind::Pin.set(*class), false),
            decide(Verdict::Goto, VIRTUAL),
        ];
        steps.push(rule(table, PIN, pinned));
        let known = vec![
            payload(LINK_HEADER, 6, 6),
            look_up(&Kind::Mac.set(*class), false),
            conclude(vec![VerdictAttribute::Code(Verdict::Return)]),
        ];
        steps.push(rule(table, VIRTUAL, known));
    }
    let anonymous = vec![
        network(6, 2),
        equal(&ARP_REQUEST),
        Expressions::Immediate(vec![
            Immediate::DestinationRegister(Register::Reg1),
            Immediate::Data(DataAttribute::Value(vec![0; 4])),
        ])
        .into(),
        Expressions::Payload(vec![
            Payload::SourceRegister(Register::Reg1),
            Payload::Base(NETWORK_HEADER),
            Payload::Offset(14),
            Payload::Len(4),
        ])
        .into(),
        conclude(vec![VerdictAttribute::Code(Verdict::Return)]),
    ];
    steps.push(rule(table, VIRTUAL, anonymous));
    steps.push(rule(table, VIRTUAL, vec![verdict(DROP)]));
    steps
}

/// The two chains of an interface, whether they are there or not.
pub(super) fn cover(table: &str, interface: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let hooks = [
        (step::INGRESS, format!("in-{interface}"), DevHookNumber::Ingress),
        (step::EGRESS, format!("out-{interface}"), DevHookNumber::Egress),
    ];
    for (name, chain, hook) in hooks {
        let message = chain_message(table, &chain, Some((hook, interface)));
        steps.push(Step::create(name, message));
        steps.push(flush(table, &chain));
        let out = hook == DevHookNumber::Egress;
        let pins = out.then_some((ETHERTYPE_ARP, PIN));
        let targets = [(ETHERTYPE_ARP, ARP), (ETHERTYPE_IP, IP), (ETHERTYPE_IP6, IP6)];
        for (ethertype, target) in pins.into_iter().chain(targets) {
            let expressions = vec![
                meta(MetaKey::EtherTypeProtocol),
                equal(&ethertype.to_be_bytes()),
                decide(Verdict::Jump, target),
            ];
            steps.push(rule(table, &chain, expressions));
        }
        if out {
            steps.push(rule(table, &chain, vec![decide(Verdict::Jump, MAC)]));
        }
    }
    steps
}

/// A set or map of a table.
pub(crate) fn set(
    table: &str,
    step: &'static str,
    name: &str,
    id: u32,
    flags: SetFlags,
    (key, length): (u32, u32),
) -> Step {
    let attributes = vec![
        SetAttribute::Table(table.to_owned()),
        SetAttribute::Name(name.to_owned()),
        SetAttribute::Flags(flags),
        SetAttribute::KeyType(key),
        SetAttribute::KeyLen(length),
        SetAttribute::Id(id),
    ];
    Step::create(step, NfTablesMessage::NewSet(SetMessage { attributes }))
}

fn lease_chain(class: LeaseClass) -> String {
    format!("lease-{}", class.number())
}

/// A chain without a hook and without rules, whatever was in it.
pub(crate) fn empty_chain(table: &str, chain: &str) -> [Step; 2] {
    [Step::create(step::CHAIN, chain_message(table, chain, None)), flush(table, chain)]
}

fn chain_message(table: &str, name: &str, hook: Option<(DevHookNumber, &str)>) -> NfTablesMessage {
    let mut attributes =
        vec![ChainAttribute::Table(table.to_owned()), ChainAttribute::Name(name.to_owned())];
    if let Some((number, device)) = hook {
        attributes.push(ChainAttribute::Hook(vec![
            Hook::Number(number.into()),
            Hook::Priority(PRIORITY.cast_unsigned()),
            Hook::NetDeviceName(device.to_owned()),
        ]));
        attributes.push(ChainAttribute::Policy(ACCEPT));
        attributes.push(ChainAttribute::Type("filter".to_owned()));
    }
    NfTablesMessage::NewChain(ChainMessage { attributes })
}

/// Removes the chain's rules.
fn flush(table: &str, chain: &str) -> Step {
    Step::delete(step::RULE, NfTablesMessage::DeleteRule(rule_message(table, chain, Vec::new())))
}

pub(crate) fn rule(table: &str, chain: &str, expressions: Vec<Expression>) -> Step {
    Step::append(step::RULE, NfTablesMessage::NewRule(rule_message(table, chain, expressions)))
}

fn rule_message(table: &str, chain: &str, expressions: Vec<Expression>) -> RuleMessage {
    let mut attributes =
        vec![RuleAttribute::Table(table.to_owned()), RuleAttribute::Chain(chain.to_owned())];
    if !expressions.is_empty() {
        attributes.push(RuleAttribute::Expressions(expressions));
    }
    RuleMessage { attributes }
}

fn drop_unless_alive(class: LeaseClass) -> Vec<Expression> {
    let number = Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Reg1),
        Immediate::Data(DataAttribute::Value(class.number().to_be_bytes().to_vec())),
    ]);
    vec![number.into(), look_up(ALIVE, true), verdict(DROP)]
}

pub(crate) fn look_up(set: &str, inverse: bool) -> Expression {
    let mut lookup = vec![Lookup::Set(set.to_owned()), Lookup::SourceRegister(Register::Reg1)];
    if inverse {
        lookup.push(Lookup::Flags(INVERSE));
    }
    Expressions::Lookup(lookup).into()
}

pub(crate) fn payload(base: u32, offset: u32, length: u32) -> Expression {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
    .into()
}

pub(crate) fn meta(key: MetaKey) -> Expression {
    Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(key)]).into()
}

pub(crate) fn equal(value: &[u8]) -> Expression {
    compare(Operator::Equal, value)
}

fn compare(operator: Operator, value: &[u8]) -> Expression {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value.to_vec())),
    ])
    .into()
}

pub(crate) fn verdict(code: u32) -> Expression {
    conclude(vec![VerdictAttribute::Code(Verdict::Other(code))])
}

pub(crate) fn decide(verdict: Verdict, chain: &str) -> Expression {
    conclude(vec![VerdictAttribute::Code(verdict), VerdictAttribute::Chain(chain.to_owned())])
}

fn conclude(verdict: Vec<VerdictAttribute>) -> Expression {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(Register::Verdict),
        Immediate::Data(DataAttribute::Verdict(verdict)),
    ])
    .into()
}
