//! What a code means at more length than one sentence: why it matters, and what to do.

use crate::Code;

/// Some paragraphs about a code.
pub(crate) const fn more(code: Code) -> &'static [&'static str] {
    match code {
        Code::TooLong => &[
            "A text of more than 64 MiB, or a repetition that makes more lines than any node has virtual routers, is a mistake: a wrong file, an include in a circle, or one digit too many in `~SEQ`. Nothing is read beyond the limit.",
        ],
        Code::NulByte => &[
            "Text has no NUL bytes. keepalived drops the line it stands in; mainstay reads nothing, because what else is lost is anybody's guess. Restore the file.",
        ],
        Code::NotUtf8 => &[
            "Only comments may contain bytes that are no UTF-8. Save the file as UTF-8, or write the byte as `\\xHH`.",
        ],
        Code::UnterminatedQuote => &[
            "A quote ends with its line at the latest. Close it, or write `\\\"` for a quote that is meant.",
        ],
        Code::BadEscape => &[
            "Backslash sequences are those of C: `\\t`, `\\x41`, `\\101`. A backslash that is meant is written twice.",
        ],
        Code::UnexpectedClose | Code::MissingClose => &[
            "Braces come in pairs. keepalived goes on and attaches what follows to the wrong block; the line named here is where the pair was lost, the mistake itself may stand further up.",
        ],
        Code::UnexpectedBlock | Code::BlockMissing => &[
            "Whether a block follows a keyword is fixed: `mainstay explain KEYWORD` shows the form it has.",
        ],
        Code::TooDeep => {
            &["No keyword needs blocks this deep; a closing brace is missing further up."]
        }
        Code::UnknownKeyword => &[
            "keepalived logs an unknown keyword and goes on, so a misspelt `priority` makes a node with priority 100. mainstay refuses the file and says what was probably meant. `--lenient` does as keepalived does.",
        ],
        Code::WrongBlock => &[
            "The keyword is right and stands in the wrong place. Most often a brace is missing before it.",
        ],
        Code::NotInForce => &[
            "mainstay knows the keyword, has read and checked its value, and does not do it yet. Going on without it would change what the file means, so the file is refused. `mainstay explain KEYWORD` says what is missing.",
        ],
        Code::OutOfScope => &[
            "mainstay does VRRP, not load balancing. Debian's keepalived can do that half beside it, from the same file: run `keepalived -C -f FILE` (checkers only) as one service and mainstay with `--skip-ipvs` as the other.",
            "AH, the other thing out of scope, was withdrawn from VRRP by RFC 3768; use `auth_type PASS` or no authentication.",
        ],
        Code::Macro => &[
            "Lines with `@`, `$NAME=`, `~SEQ`, `~LST` and `include` are worked on before any keyword is looked at. keepalived passes over what it cannot read as one of them, and the line is gone; here it is an error. See LANGUAGE in mainstay-keepalived.conf(5).",
        ],
        Code::OldSpelling => &[
            "Spellings of old versions, of a patch from before keepalived 1.2.8, and of other products are understood and reported, so that a file that worked goes on working. Write today's form: keepalived itself ignores most of the old ones, and then multicasts where unicast was meant.",
        ],
        Code::Obsolete => &["The keyword does nothing, here or in keepalived. Remove it."],
        Code::NoEffect => &[
            "The keyword is accepted so that the file need not be changed; what it asks for is always so, or is done in another way. The note says which.",
        ],
        Code::NameMissing => &[
            "Blocks such as `vrrp_instance` need a name: status, logs, scripts and other blocks refer to it.",
        ],
        Code::ValueMissing
        | Code::TooManyValues
        | Code::NotANumber
        | Code::NotATime
        | Code::NotABool
        | Code::NotAChoice => &[
            "`mainstay explain KEYWORD` shows what the keyword takes. keepalived often ignores such a line and goes on with the default; which one that is, nobody sees.",
        ],
        Code::OutOfRange => &[
            "A number outside its range is ignored by keepalived, with the default in its place: priority 300 means 100 there. Two nodes corrected in this way may well be equal.",
        ],
        Code::NotAnAddress | Code::WrongAddress => &[
            "Addresses are written as numbers; names are not looked up, because a name that cannot be resolved at boot would take the node down.",
        ],
        Code::BadInterface => &[
            "Names of interfaces have at most 15 octets and no blank, slash or colon. `eth0:1` is a label: write it behind `label` on the VIP's line.",
        ],
        Code::BadOption => &[
            "Lines of addresses, peers, routes, rules and trackers have options of their own; one nobody knows may be misspelt, or belong to another kind of line.",
        ],
        Code::BadCommand => &[
            "Scripts are run as they stand, by no shell: a path and its arguments. Quote them together; single quotes inside hold one argument together.",
        ],
        Code::BadPassword => &[
            "A VRRPv2 password has eight octets. keepalived cuts a longer one, FRR refuses it; shorten it on all nodes to what they already agree on.",
        ],
        Code::SetTwice => &[
            "The last one counts, but for scripts, FIFOs, names that cannot change and what is tracked, where the first does, as in keepalived. The message says which. Usually one of them was copied.",
        ],
        Code::NoVrid => {
            &["Without a VRID there is no virtual router; keepalived refuses to run at all then."]
        }
        Code::NoInterface => {
            &["Adverts need an interface, but for unicast from a given source address."]
        }
        Code::DuplicateName => &[
            "keepalived keeps the first and drops the rest with a line in the log: the other VIPs are then held by nobody.",
        ],
        Code::DuplicateRouter => &[
            "Family, VRID and interface make a virtual router. Two of them on one node hear each other as rivals. Choose another VRID, the same on all nodes.",
        ],
        Code::NoVip | Code::NothingToHold => &[
            "An advert without addresses is legal in version 2 and not in version 3. Where scripts move something else, say so with `no_virtual_ipaddress`.",
        ],
        Code::MixedFamilies => &[
            "Adverts are IPv4 or IPv6. keepalived drops the odd address and says so once in the log; the VIP is then served by nobody. Put it into `virtual_ipaddress_excluded`, or make a second instance and a sync group of both.",
        ],
        Code::TooManyVips => &[
            "The count of addresses in an advert is one octet, and adverts are not fragmented. `virtual_ipaddress_excluded` holds the others along with them.",
        ],
        Code::DuplicateVip => {
            &["An address in two instances can be held by two nodes, each Active in one of them."]
        }
        Code::DuplicatePeer | Code::PeerIsSelf => {
            &["The list of peers holds the addresses of the other nodes, each once."]
        }
        Code::TtlRange => {
            &["Both are bounds of the TTL an advert arrives with; nothing passes an empty range."]
        }
        Code::BadInterval => &[
            "Version 2 counts in whole seconds, version 3 in hundredths up to 40.95. keepalived rounds, and a node that rounds to another interval than its peer drops the peer's adverts: both then hold the VIPs.",
        ],
        Code::WrongVersion => &["IPv6 came with version 3."],
        Code::AuthIgnored => &[
            "RFC 5798 took authentication out of the protocol. keepalived ignores the block too; it only looks like protection.",
        ],
        Code::PreemptCancelled => &[
            "A node that starts as MASTER, and an owner, always take over; so keepalived drops `nopreempt` and `preempt_delay` there. Write `state BACKUP` on all nodes.",
        ],
        Code::BecomesOwner => &[
            "`state MASTER` without a priority means 255 to keepalived: the node is taken for the owner of the addresses, cannot lose priority by any tracker and never yields.",
        ],
        Code::OwnerNotTracked => &[
            "Priority 255 is fixed: RFC 9568 gives it to the owner of the addresses. Trackers with a weight do nothing there.",
        ],
        Code::OwnInterface => {
            &["The interface of an instance is tracked anyway; `dont_track_primary` is how not to."]
        }
        Code::UnicastWithoutPeers => &[
            "keepalived multicasts when unicast settings stand there without a single peer. Where multicast is blocked that makes two holders, so it is an error here.",
        ],
        Code::TwoSources => &[
            "The source of adverts decides ties and is what other nodes list as their peer; two of them cannot both be it.",
        ],
        Code::NoInstance => &["A file without instances is legal and holds nothing."],
        Code::DefaultInterface => &[
            "An instance without interface still has to put its VIPs somewhere; keepalived takes `default_interface`, and eth0 when that is not set.",
        ],
        Code::ScriptAccount => &[
            "Accounts are looked up when the configuration is loaded: between fork and exec there is no place for it. Create the account, or name another with `script_user`.",
        ],
        Code::LeaseTooLong => &[
            "A held VIP is heard of only while a timed element in the kernel lives that the daemon renews, so that a frozen node falls silent before another takes over.",
            "No lease is shorter than 60 ms, since the kernel and the scheduler are late themselves; with a very short interval, or with fewer than three adverts to miss, a peer may take over before the lease has ended, and for so long both would answer.",
        ],
        Code::ScriptPath => &[
            "Whoever may write to any directory of a script's path can exchange the script. When it runs as root that is root for everybody; the message names the first component at fault and the right that is wrong. `enable_script_security` makes an error of it.",
        ],
        Code::IncludeMissing => &[
            "`include` of a file that is not there is only a warning, as in keepalived; `includem` and its kind, and `include_check`, make an error of it. Wildcards may match nothing.",
        ],
        Code::IncludeCycle => &[
            "A file that is being read cannot be read again inside itself; keepalived runs out of file descriptors.",
        ],
        Code::IncludeCheck => &[
            "The checks are readable, match, wildcard_match and brace_match; `+` and `-` add to or remove from those in force.",
        ],
        Code::UndefinedName => &[
            "keepalived leaves a name nobody defined as it is, so `${VIP}` becomes a word with a block behind it. Definitions count from the line they stand on.",
        ],
        Code::UnknownTracker => &[
            "keepalived logs `not found, ignoring` and checks nothing: the service may be dead for months while its node holds the VIP. In keepalived the definition must also stand above its use; here it may stand anywhere.",
        ],
        Code::UnknownMember => {
            &["A group whose member is misspelt does not keep together what it was made for."]
        }
        Code::TwoGroups => &[
            "A sync group moves all its members at once; an instance in two groups would have to be in two places.",
        ],
        Code::GroupWeight => &[
            "Members of a group must agree on one node, so their priorities may not move apart. keepalived drops weighted trackers of members, and makes faults of weighted interfaces. Track in the group instead: its weights change all members alike. `sync_group_tracking_weight` keeps them, at your risk.",
        ],
        Code::BadVmac => &[
            "A virtual MAC needs an interface name of at most 15 octets and a unicast MAC; unicast adverts cannot come from it.",
            "With `use_vmac` mainstay makes a macvlan (`vrrp.VRID`; if that name is taken `vrrp6.VRID` for IPv6, else `vrrp1.VRID` and so on) with the MAC 00-00-5E-00-01-VRID, or -02- for IPv6, and holds the VIPs on it. It is up exactly while this node holds. One MAC can lie on an interface only once, and one name belongs to one instance.",
        ],
        Code::BadKey => &[
            "`auth_hmac` needs a key with a number, given as `hex:`, `file:` or plain text, and `active_key` must be one of them. All nodes must have the key before any signs with it.",
        ],
        Code::NoMailTo => {
            &["Without an address to send to, or without a server, `smtp_alert` does nothing."]
        }
        Code::GroupEmpty => &[
            "A group of one does nothing; a group of none is a mistake. Most often a name got lost.",
        ],
        Code::RulePreference => &[
            "The kernel puts a rule without a preference before all others of its kind, so the order depends on which instance became Active last. keepalived gives it a number from 16384 on. Write one that says where it belongs.",
        ],
        Code::WeightWithoutEffect => &[
            "Priorities stay within 1 to 254 whatever trackers say, so a weight that would go beyond is cut, perhaps to nothing. Choose a priority that leaves room for it.",
        ],
        Code::WeightKeepsPlace => &[
            "A weight lowers this node's priority when a check fails, and then its peers would have to take over from a living holder. With `nopreempt` they do not: the dead service keeps the VIP. Let the check fault (weight 0), or allow preemption with a `preempt_delay`.",
        ],
        Code::PlainPassword => &[
            "Everybody on the link can read the eight octets in every advert and send them. RFC 3768 removed the field for that reason. Keep strangers off the link, use unicast with a firewall, or signed adverts where all nodes know them.",
        ],
        Code::GroupDisagrees => &[
            "All members of a sync group must want the same node. With different priorities, intervals or preemption per member they can want different ones, and the group goes back and forth. Give all members the same settings on one node.",
        ],
        Code::SharedVrid => &[
            "Legal: a VRID belongs to a link. But it also makes the virtual MAC, and some switches and hypervisors mix up the same MAC on two VLANs.",
        ],
        Code::OnePath => &[
            "When that path breaks while both nodes live, each takes the other for dead. A second link, or unicast by another way, makes the difference; at least make the interface a bond.",
        ],
        Code::VipAsNode => &[
            "A VIP is on one node at a time, and on none while it moves. Adverts sent from it cannot leave a Backup, and those sent to it come back to the holder. Only the owner of an address, priority 255, uses one and the same for both.",
        ],
        Code::UnfitVip => &[
            "The first address of an IPv4 network is its name and the last one reaches all of it; hosts and routers drop or flood what is sent there. In IPv6 the first one is every router's at once. 0.0.0.0/8 and 240.0.0.0/4 are nobody's, and 169.254.0.0/16 is not forwarded, so its scope is the link.",
            "The length written behind the VIP says which network it is of. Without one it is 32 or 128 and nothing can be seen; `check --host` asks the interface instead. Multicast, loopback and unspecified addresses are refused when the file is read (C027).",
        ],
        Code::FaultEverywhere => &[
            "A check without weight takes a node out entirely. When it watches something all nodes share (a gateway, a database) its failure takes all of them out at once, and the VIPs are served by nobody.",
        ],
        Code::NodesVersion => &["A node drops adverts of another version, and both hold the VIPs."],
        Code::NodesInterval => &[
            "In version 2 a node drops adverts with another interval, and both hold the VIPs. In version 3 nodes learn the holder's, which then changes at every takeover.",
        ],
        Code::NodesPassword => {
            &["A node drops adverts with another password or none, and both hold the VIPs."]
        }
        Code::NodesVips => &[
            "What one node holds and the other does not is lost at a takeover. keepalived up to 2.3.2 also drops adverts that list other addresses than its own.",
        ],
        Code::NodesPeers => &[
            "Unicast goes only where it is sent: each node must list the address every other sends from. A node nobody lists hears nothing, and takes over.",
        ],
        Code::NodesFamily => &["Adverts of one family are not heard by an instance of the other."],
        Code::NodesPriority => &[
            "Equal priorities are decided by the higher source address, and then `nopreempt` does not hold in keepalived. Give each node its own.",
        ],
        Code::NodesVrid => {
            &["The VRID says who belongs together; nodes with different ones each hold the VIPs."]
        }
        Code::NodesOwners => &[
            "Priority 255 says that the addresses are this node's own. Two owners answer for one address until one yields.",
        ],
        Code::NodesMissing => &["A virtual router on one node only has nobody to take over."],
        Code::NodesGroups => &[
            "When one node is first for one member and another for the next, the group goes back and forth for ever. Give one node the higher priority for all members.",
        ],
        Code::NodesNeverMove => &[
            "Even with every weighted check failed, this node's priority stays above what the others have at best: the checks run and change nothing. Make the weights larger than the distance of the priorities.",
        ],
        Code::NodesTimers => &[
            "`down_timer_adverts` must be the same on all nodes, or a slow one is overtaken while it lives.",
        ],
        Code::HostInterface => &[
            "Found by `check --host`. mainstay waits for an interface that is not there; the check tells before the first takeover does.",
        ],
        Code::HostSysctl => {
            &["Found by `check --host`, which reads /proc/sys and changes nothing."]
        }
        Code::HostManager => &[
            "systemd-networkd and NetworkManager consider addresses, routes and rules that they did not set as leftovers. mainstay puts a lost VIP back at once; better is to tell them to leave it alone.",
        ],
        Code::HostAddress => &[
            "Found by `check --host`. Adverts that are to come from an address this machine does not have are not sent before it has it, and a peer that is this machine hears nobody else: mostly the other node's file was copied. A VIP that the network's own configuration sets up is there on every node, also on those that do not hold it.",
        ],
        Code::HostFirewall => &[
            "Adverts are IP protocol 112, to 224.0.0.18 or ff02::12 or to the peers. A node whose firewall drops them hears nobody, becomes Active beside another, and both answer for the VIPs; so it does when nobody hears it.",
            "Found by `check --host`, which follows an advert of every instance through all chains that `nft -j list ruleset` shows, in and out, and changes nothing. Rules that let through answers only do not help with multicast: an advert is nobody's answer. What depends on something not known before is a note.",
        ],
    }
}
