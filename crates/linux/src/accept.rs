//! The filter for VIPs that accept no traffic (`no_accept`): one nf_tables table for each family, of
//! the layout that keepalived's has, so that whoever reads `nft list ruleset` finds what the name
//! promises.
//!
//! ```text
//! set   vips             { type ipv4_addr; }   or ipv6_addr
//! chain in               { hook input;  destination in vips: drop }
//! chain out              { hook output; source in vips: drop }
//! ```
//!
//! For IPv6, neighbour solicitations and advertisements pass, for without them nobody could route
//! through the node; and a link-local VIP is meant on its interface only.
//!
//! A change replaces the family's table, in one transaction: there is no moment at which a VIP that
//! is filtered before and after is not.

use std::io;
use std::net::IpAddr;

use base::{Errno, Family, Filter, IfIndex, Name};
use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::NetfilterProtoFamily;
use netlink_packet_netfilter::nftables::{
    Bitwise, ChainAttribute, ChainMessage, DataAttribute, Expressions, Hook, InetHookNumber,
    ListAttribute, Meta, MetaKey, NfTablesMessage, Register, SetElementAttribute, SetFlags,
    TableAttribute, TableMessage, Verdict,
};

use crate::lease_table::rules::{
    ACCEPT, DROP, Expression, NETWORK_HEADER, PROTOCOL_ICMP6, TRANSPORT_HEADER, decide,
    empty_chain, equal, look_up, meta, payload, rule, set, verdict,
};
use crate::nftables::{CommitError, Nftables, Step, element_list};

const VIPS: &str = "vips";
const LINK_LOCAL: &str = "vips_link_local";
const DISCOVERY: &str = "neighbor-discovery";

/// nft's numbers for types, by which it prints: `ipv4_addr`, `ipv6_addr`, `iface_index`,
/// `icmpv6_type`. A concatenation shifts the first by six bits.
const TYPE_V4: u32 = 7;
const TYPE_V6: u32 = 8;
const TYPE_INTERFACE: u32 = 20;
const TYPE_ICMP6: u32 = 29;

/// Elements in one message at most.
const PER_MESSAGE: usize = 512;

/// The hand that filters.
#[derive(Debug, Default)]
pub struct AcceptFilter {
    /// The tables of ours that stand.
    standing: Vec<(Family, Name)>,
    /// What an engine before this one may have left is gone.
    looked: bool,
}

impl AcceptFilter {
    /// One that has done nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the kernel filter exactly this.
    ///
    /// # Errors
    /// The kernel's answer; then nothing has changed for that family.
    pub fn apply(&mut self, filter: &Filter) -> Result<(), Errno> {
        let nothing = filter.vips.is_empty();
        if nothing && self.looked && self.standing.is_empty() {
            return Ok(());
        }
        let done = self.replace(filter);
        // Where there are no tables at all, none was left.
        if nothing && self.standing.is_empty() { Ok(()) } else { done }
    }

    fn replace(&mut self, filter: &Filter) -> Result<(), Errno> {
        let mut nftables = Nftables::open().map_err(|error| errno(&error))?;
        for family in [Family::V4, Family::V6] {
            let of = |(address, _): &&(IpAddr, IfIndex)| Family::of(address) == family;
            let vips: Vec<(IpAddr, IfIndex)> = filter.vips.iter().filter(of).copied().collect();
            let old =
                self.standing.iter().filter(|(of, name)| *of == family && *name != filter.table);
            let mut steps = vec![Step::destroy_table("table", &filter.table)];
            steps.extend(old.map(|(_, name)| Step::destroy_table("old table", name)));
            if !vips.is_empty() {
                steps.extend(table(filter, family, &vips));
            }
            let steps = steps.into_iter().map(|step| step.of(proto(family))).collect();
            nftables.commit(steps).map_err(refusal)?;
            self.standing.retain(|(known, _)| *known != family);
            if !vips.is_empty() {
                self.standing.push((family, filter.table.clone()));
            }
        }
        self.looked = true;
        Ok(())
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

fn refusal(error: CommitError) -> Errno {
    match error {
        CommitError::Refused(no) | CommitError::Step { refusal: no, .. } => no.errno,
        CommitError::Io(error) => errno(&error),
    }
}

fn proto(family: Family) -> NetfilterProtoFamily {
    match family {
        Family::V4 => NetfilterProtoFamily::IPv4,
        Family::V6 => NetfilterProtoFamily::IPv6,
    }
}

fn table(filter: &Filter, family: Family, vips: &[(IpAddr, IfIndex)]) -> Vec<Step> {
    let name = filter.table.as_str();
    let attributes = vec![TableAttribute::Name(name.to_owned())];
    let mut steps =
        vec![Step::create("table", NfTablesMessage::NewTable(TableMessage { attributes }))];
    let (kind, length) = if family == Family::V4 { (TYPE_V4, 4) } else { (TYPE_V6, 16) };
    let (near, far): (Vec<_>, Vec<_>) = vips.iter().partition(|(address, _)| link_local(address));
    steps.push(set(name, "set", VIPS, 1, SetFlags::empty(), (kind, length)));
    steps.extend(elements(name, VIPS, far.iter().map(|(address, _)| octets(address)).collect()));
    if family == Family::V6 {
        let discovery = SetFlags::Constant;
        steps.push(set(name, "set", DISCOVERY, 2, discovery, (TYPE_ICMP6, 1)));
        steps.extend(elements(name, DISCOVERY, vec![vec![135], vec![136]]));
        let both = (TYPE_V6 << 6) | TYPE_INTERFACE;
        steps.push(set(name, "set", LINK_LOCAL, 3, SetFlags::empty(), (both, 20)));
        let keys = near.iter().map(|(address, index)| {
            let mut key = octets(address);
            key.extend(index.get().to_ne_bytes());
            key
        });
        steps.extend(elements(name, LINK_LOCAL, keys.collect()));
    }
    let hooks = [
        ("out", InetHookNumber::LocalOut, 12, 8, MetaKey::Oif),
        ("in", InetHookNumber::LocalIn, 16, 24, MetaKey::Iif),
    ];
    for (chain, hook, v4, v6, interface) in hooks {
        steps.push(base_chain(name, chain, hook, filter.priority));
        let counted = |mut expressions: Vec<Expression>| {
            if filter.counters {
                expressions.push(counter());
            }
            expressions.push(verdict(DROP));
            expressions
        };
        if family == Family::V4 {
            let vip = vec![payload(NETWORK_HEADER, v4, 4), look_up(VIPS, false)];
            steps.push(rule(name, chain, counted(vip)));
            continue;
        }
        steps.push(rule(
            name,
            chain,
            vec![
                meta(MetaKey::L4Proto),
                equal(&[PROTOCOL_ICMP6]),
                payload(TRANSPORT_HEADER, 0, 1),
                look_up(DISCOVERY, false),
                verdict(ACCEPT),
            ],
        ));
        let local = format!("{chain}_link_local");
        steps.extend(empty_chain(name, &local));
        let mut prefix = [0; 16];
        prefix[..2].copy_from_slice(&[0xfe, 0x80]);
        let to_local = vec![
            payload(NETWORK_HEADER, v6, 16),
            masked(10),
            equal(&prefix),
            decide(Verdict::Goto, &local),
        ];
        steps.push(rule(name, chain, to_local));
        let vip = vec![payload(NETWORK_HEADER, v6, 16), look_up(VIPS, false)];
        steps.push(rule(name, chain, counted(vip)));
        let vip = vec![
            payload(NETWORK_HEADER, v6, 16),
            Expressions::Meta(vec![
                Meta::DestinationRegister(Register::Reg2),
                Meta::Key(interface),
            ])
            .into(),
            look_up(LINK_LOCAL, false),
        ];
        steps.push(rule(name, &local, counted(vip)));
    }
    steps
}

fn link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(it) if it.is_unicast_link_local())
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    }
}

fn elements(table: &str, set: &str, keys: Vec<Vec<u8>>) -> Vec<Step> {
    let keys: Vec<_> = keys
        .into_iter()
        .map(|key| vec![SetElementAttribute::Key(DataAttribute::Value(key))])
        .collect();
    let message = |keys: &[Vec<SetElementAttribute>]| {
        let list = element_list(table, set, keys.to_vec());
        Step::create("elements", NfTablesMessage::NewSetElement(list))
    };
    keys.chunks(PER_MESSAGE).map(message).collect()
}

fn base_chain(table: &str, name: &str, hook: InetHookNumber, priority: i32) -> Step {
    let attributes = vec![
        ChainAttribute::Table(table.to_owned()),
        ChainAttribute::Name(name.to_owned()),
        ChainAttribute::Hook(vec![
            Hook::Number(hook.into()),
            Hook::Priority(priority.cast_unsigned()),
        ]),
        ChainAttribute::Policy(ACCEPT),
        ChainAttribute::Type("filter".to_owned()),
    ];
    Step::create("chain", NfTablesMessage::NewChain(ChainMessage { attributes }))
}

/// Keeps the first bits of an IPv6 address.
fn masked(bits: u32) -> Expression {
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0).to_be_bytes();
    Expressions::Bitwise(vec![
        Bitwise::SourceRegister(Register::Reg1),
        Bitwise::DestinationRegister(Register::Reg1),
        Bitwise::Length(16),
        Bitwise::Mask(DataAttribute::Value(mask.to_vec())),
        Bitwise::Xor(DataAttribute::Value(vec![0; 16])),
    ])
    .into()
}

/// Counts what passes it.
fn counter() -> Expression {
    let zero = |kind| DefaultNla::new(kind, vec![0; 8]);
    let expression = Expressions::Other {
        expression_type: "counter".to_owned(),
        attributes: vec![zero(1), zero(2)],
    };
    ListAttribute::from(expression)
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
