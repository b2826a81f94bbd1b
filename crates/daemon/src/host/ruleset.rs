//! The rules of nf_tables, as `nft -j list ruleset` shows them, and what becomes of a packet.
//!
//! A packet's way is followed through every base chain it meets, as the kernel would: an `accept`
//! ends one base chain and no other, a `drop` ends the packet. Of a packet that is yet to come not
//! everything is known, and not every expression is understood here; so a match can be true, false
//! or open, and a packet may be both let through and dropped. Only what is dropped for certain is
//! told as such.

use serde_json::{Map, Value};

use super::packet::{Match, Packet, matches};

/// All tables of one machine.
#[derive(Debug)]
pub(super) struct Ruleset {
    chains: Vec<Chain>,
    /// Named sets and maps: family, table, name, elements.
    pub(super) sets: Vec<(String, String, String, Vec<Value>)>,
}

/// One chain with its rules.
#[derive(Debug)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    priority: i64,
    device: Option<String>,
    drops: bool,
    rules: Vec<(u64, Vec<Value>)>,
}

/// What can become of a packet in a chain.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Outcome {
    accepted: bool,
    /// By what.
    dropped: Option<String>,
    /// Goes on behind the place that called.
    on: bool,
}

/// What becomes of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Nothing stops it.
    Passes,
    /// This may stop it.
    May(String),
    /// This stops it.
    Dropped(String),
}

/// How deep chains may call each other: the kernel allows 16.
const DEPTH: usize = 16;

impl Ruleset {
    /// Reads the JSON of `nft -j list ruleset`; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut all = Self { chains: Vec::new(), sets: Vec::new() };
        let objects = value.get("nftables")?.as_array()?;
        for object in objects {
            let Some((kind, body)) = object.as_object().and_then(|o| o.iter().next()) else {
                continue;
            };
            let word =
                |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            match kind.as_str() {
                "chain" => all.chains.push(Chain {
                    family: word("family"),
                    table: word("table"),
                    name: word("name"),
                    hook: body.get("hook").and_then(Value::as_str).map(str::to_owned),
                    priority: body.get("prio").and_then(Value::as_i64).unwrap_or(0),
                    device: body.get("dev").and_then(Value::as_str).map(str::to_owned),
                    drops: body.get("policy").and_then(Value::as_str) == Some("drop"),
                    rules: Vec::new(),
                }),
                "rule" => {
                    let (family, table, name) = (word("family"), word("table"), word("chain"));
                    let handle = body.get("handle").and_then(Value::as_u64).unwrap_or(0);
                    let steps = body.get("expr").and_then(Value::as_array).cloned();
                    // Chains of all tables come before the rules of any of theirs.
                    if let Some(chain) = all.chains.iter_mut().find(|chain| {
                        chain.family == family && chain.table == table && chain.name == name
                    }) {
                        chain.rules.push((handle, steps.unwrap_or_default()));
                    }
                }
                "set" | "map" => {
                    let elements = body.get("elem").and_then(Value::as_array).cloned();
                    all.sets.push((
                        word("family"),
                        word("table"),
                        word("name"),
                        elements.unwrap_or_default(),
                    ));
                }
                _ => {}
            }
        }
        Some(all)
    }

    /// What becomes of this packet on its whole way in, or out.
    pub(super) fn fate(&self, packet: &Packet) -> Fate {
        let hooks: &[&str] = if packet.incoming {
            &["ingress", "prerouting", "input"]
        } else {
            &["output", "postrouting", "egress"]
        };
        let mut may = None;
        for hook in hooks {
            let mut bases: Vec<&Chain> = self
                .chains
                .iter()
                .filter(|chain| chain.hook.as_deref() == Some(hook) && chain.meets(packet))
                .collect();
            bases.sort_by_key(|chain| chain.priority);
            for base in bases {
                let mut outcome = self.walk(base, &base.rules, packet, 0);
                if outcome.on {
                    if base.drops {
                        outcome.dropped.get_or_insert(format!("{}: policy drop", base.title()));
                    } else {
                        outcome.accepted = true;
                    }
                }
                match (outcome.accepted, outcome.dropped) {
                    (false, Some(by)) => return Fate::Dropped(by),
                    (true, Some(by)) => {
                        may.get_or_insert(by);
                    }
                    (_, None) => {}
                }
            }
        }
        may.map_or(Fate::Passes, Fate::May)
    }

    /// Rules from one on, in order.
    fn walk(
        &self,
        chain: &Chain,
        rules: &[(u64, Vec<Value>)],
        packet: &Packet,
        depth: usize,
    ) -> Outcome {
        let mut out = Outcome::default();
        for (handle, steps) in rules {
            let Some((matched, verdicts)) = self.judge(chain, steps, packet) else { continue };
            // Whether the rule decides for every packet that comes to it.
            let mut certain = matched == Match::Yes;
            for (verdict, sure) in verdicts {
                certain &= sure;
                let by = || format!("{}, rule with handle {handle}", chain.title());
                let below = |target: &Value| self.called(chain, target, packet, depth);
                let (outcome, goes_on) = match verdict {
                    Verdict::Accept => (Outcome { accepted: true, ..Outcome::default() }, false),
                    Verdict::Drop => (Outcome { dropped: Some(by()), ..Outcome::default() }, false),
                    Verdict::Return => (Outcome { on: true, ..Outcome::default() }, false),
                    Verdict::Jump(target) => {
                        let outcome = below(&target);
                        let on = outcome.on;
                        (Outcome { on: false, ..outcome }, on)
                    }
                    Verdict::Goto(target) => (below(&target), false),
                };
                out.accepted |= outcome.accepted;
                out.dropped = out.dropped.take().or(outcome.dropped);
                out.on |= outcome.on;
                certain &= !goes_on;
            }
            if certain {
                return out;
            }
        }
        out.on = true;
        out
    }

    fn called(&self, from: &Chain, target: &Value, packet: &Packet, depth: usize) -> Outcome {
        let name = target.get("target").and_then(Value::as_str).unwrap_or_default();
        let found = self.chains.iter().find(|chain| {
            chain.family == from.family && chain.table == from.table && chain.name == name
        });
        match found {
            Some(chain) if depth < DEPTH => self.walk(chain, &chain.rules, packet, depth + 1),
            _ => Outcome { on: true, ..Outcome::default() },
        }
    }

    /// Whether a rule is meant, and the verdicts it can come to, each with whether it is the only
    /// one possible; `None` if it comes to none.
    fn judge(
        &self,
        chain: &Chain,
        steps: &[Value],
        packet: &Packet,
    ) -> Option<(Match, Vec<(Verdict, bool)>)> {
        let mut matched = Match::Yes;
        for step in steps {
            let (kind, body) = step.as_object()?.iter().next()?;
            match kind.as_str() {
                "match" => {
                    matched = matched.and(self.test(chain, body, packet));
                    if matched == Match::No {
                        return None;
                    }
                }
                "vmap" => {
                    let verdicts = self.mapped(chain, body, packet)?;
                    return Some((matched, verdicts));
                }
                // They change or count something and let the packet go on to the next expression.
                "counter" | "log" | "mangle" | "notrack" | "comment" | "ct helper" => {}
                // A queue may let it through or not; what else there is may match or not.
                "limit" | "quota" | "ct count" | "xt" | "meter" | "set" | "queue" => {
                    matched = matched.and(Match::Open);
                }
                _ => match Verdict::of(kind, body) {
                    Some(verdict) => return Some((matched, vec![(verdict, true)])),
                    None => matched = matched.and(Match::Open),
                },
            }
        }
        None
    }

    fn test(&self, chain: &Chain, body: &Value, packet: &Packet) -> Match {
        let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
            return Match::Open;
        };
        let op = body.get("op").and_then(Value::as_str).unwrap_or("==");
        let named = right.as_str().and_then(|name| name.strip_prefix('@'));
        match named {
            Some(name) => {
                let set = Value::Object(Map::from_iter([(
                    "set".to_owned(),
                    Value::Array(self.elements(chain, name).to_vec()),
                )]));
                matches(packet, left, op, &set)
            }
            None => matches(packet, left, op, right),
        }
    }

    fn elements(&self, chain: &Chain, name: &str) -> &[Value] {
        let found = self.sets.iter().find(|(family, table, set, _)| {
            *family == chain.family && *table == chain.table && set == name
        });
        found.map_or(&[], |(_, _, _, elements)| elements)
    }

    /// The verdicts a verdict map can come to.
    fn mapped(&self, chain: &Chain, body: &Value, packet: &Packet) -> Option<Vec<(Verdict, bool)>> {
        let (key, data) = (body.get("key")?, body.get("data")?);
        let entries = match data.as_str().and_then(|name| name.strip_prefix('@')) {
            Some(name) => self.elements(chain, name),
            None => data.get("set")?.as_array()?,
        };
        let mut possible = Vec::new();
        for entry in entries {
            let (Some(when), Some(then)) = (entry.get(0), entry.get(1)) else { continue };
            let Some((kind, body)) = then.as_object().and_then(|o| o.iter().next()) else {
                continue;
            };
            let Some(verdict) = Verdict::of(kind, body) else { continue };
            match matches(packet, key, "==", when) {
                Match::Yes => {
                    possible.push((verdict, true));
                    // The last entry decides; those before it were possible only.
                    let last = possible.len().saturating_sub(1);
                    return Some(possible.split_off(last));
                }
                Match::Open => possible.push((verdict, false)),
                Match::No => {}
            }
        }
        (!possible.is_empty()).then_some(possible)
    }
}

impl Chain {
    fn title(&self) -> String {
        format!("table {} {}, chain {}", self.family, self.table, self.name)
    }

    fn meets(&self, packet: &Packet) -> bool {
        let family = match self.family.as_str() {
            "inet" => true,
            "netdev" => self.device.as_deref() == Some(packet.interface.as_str()),
            "ip" => packet.is_v4(),
            "ip6" => !packet.is_v4(),
            _ => false,
        };
        family && self.device.as_deref().is_none_or(|device| device == packet.interface)
    }
}

/// What a rule comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(Value),
    Goto(Value),
}

impl Verdict {
    fn of(kind: &str, body: &Value) -> Option<Self> {
        Some(match kind {
            "accept" => Self::Accept,
            "drop" | "reject" => Self::Drop,
            "return" => Self::Return,
            "jump" => Self::Jump(body.clone()),
            "goto" => Self::Goto(body.clone()),
            _ => return None,
        })
    }
}
