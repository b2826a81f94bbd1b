//! What the cluster of a scenario runs: one of each kind of thing that audits are about.
//!
//! - `s` stands alone, and an administrator moves it (the *wanderer*);
//! - `web` is a group: `w1`, `w2`, `w3`, in this order, on one node;
//! - `d` is where the group is, and begins after it;
//! - `v`, a VIP under the quorum lease, is where the group is as well;
//! - `x` is never where the group is;
//! - `c` is a clone: once on each node;
//! - `f` is the fence device.
//!
//! All stay where they are rather than be spread evenly, as administrators have it.

use std::fmt::Write;

use base::Name;

/// How a stage has the resources made: what stands in a primitive's tag, and in it.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The attributes of a program called so.
    pub program: fn(&str) -> String,
    /// The same of the VIP, and what is in its element.
    pub vip: (&'static str, &'static str),
    /// The same of the fence device.
    pub fence: (&'static str, &'static str),
    /// How often each is looked at.
    pub interval: &'static str,
}

impl Scene {
    /// What runs on one node.
    pub const SINGLES: [&'static str; 7] = ["s", "w1", "w2", "w3", "d", "v", "x"];
    /// Those of the group, in order.
    pub const GROUP: [&'static str; 3] = ["w1", "w2", "w3"];
    /// On the group's node.
    pub const TOGETHER: [&'static str; 2] = ["d", "v"];
    /// Never on the group's node.
    pub const APART: &'static str = "x";
    /// One on each node.
    pub const CLONE: &'static str = "c";
    /// What begins before what.
    pub const ORDER: [(&'static str, &'static str); 3] = [("w1", "w2"), ("w2", "w3"), ("w3", "d")];
    /// What an administrator moves.
    pub const WANDERER: &'static str = "s";
    /// The VIP, which is silent when its lease ends.
    pub const VIP: &'static str = "v";
    /// What may be killed: programs.
    pub const PROGRAMS: [&'static str; 7] = ["s", "w1", "w2", "w3", "d", "x", "c"];

    /// By the name a history or an order has for it: copies of a clone are the clone.
    #[must_use]
    pub fn resource(name: &str) -> Name {
        name.split(':').next().unwrap_or(name).into()
    }

    /// The section `resources`.
    #[must_use]
    pub fn resources(&self) -> String {
        let one = |id: &str, tag: &str, inside: &str| {
            format!(
                "<primitive id='{id}' {tag}>{inside}<meta_attributes id='{id}-meta'><nvpair \
                 id='{id}-stays' name='resource-stickiness' value='100'/></meta_attributes><operations><op id='{id}-m' name='monitor' \
                 interval='{}' timeout='20s'/></operations></primitive>",
                self.interval
            )
        };
        let program = |id: &str| one(id, &(self.program)(id), "");
        let group: String = Self::GROUP.into_iter().map(program).collect();
        let mut text = String::from("<resources>");
        let _ = write!(text, "<primitive id='f' {}>{}</primitive>", self.fence.0, self.fence.1);
        let _ = write!(text, "{}<group id='web'>{group}</group>", program("s"));
        let _ =
            write!(text, "{}{}{}", program("d"), one("v", self.vip.0, self.vip.1), program("x"));
        let _ = write!(text, "<clone id='c-all'>{}</clone></resources>", program("c"));
        text
    }

    /// The section `constraints`.
    #[must_use]
    pub fn constraints(preferred: Option<&str>) -> String {
        let mut text = String::from("<constraints>");
        for (id, score) in [("d", "INFINITY"), ("v", "INFINITY"), ("x", "-INFINITY")] {
            let _ = write!(
                text,
                "<rsc_colocation id='at-{id}' rsc='{id}' with-rsc='web' score='{score}'/>"
            );
        }
        text += "<rsc_order id='web-d' first='web' then='d' kind='Mandatory'/>";
        if let Some(node) = preferred {
            text += &Self::preference(node);
        }
        text + "</constraints>"
    }

    /// That the wanderer is wanted there.
    #[must_use]
    pub fn preference(node: &str) -> String {
        format!("<rsc_location id='s-at' rsc='s' node='{node}' score='1000'/>")
    }

    /// The section `crm_config`; a mark, once there is one, is an option as well.
    #[must_use]
    pub fn options() -> String {
        let pairs = [
            ("stonith-enabled", "true"),
            ("start-failure-is-fatal", "false"),
            ("maintenance-mode", "false"),
        ];
        let pair = |(name, value)| format!("<nvpair id='o-{name}' name='{name}' value='{value}'/>");
        let pairs: String = pairs.into_iter().map(pair).collect();
        format!(
            "<crm_config><cluster_property_set id='o'>{pairs}</cluster_property_set></crm_config>"
        )
    }
}
