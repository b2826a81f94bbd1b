//! The keywords that stand outside every block, and the small blocks nobody else owns.

use super::Shape::{Block, Flag, Interface, Lines as Rows, NamedBlock, Text};
use super::Status::{Accepted, Foreign, OutOfScope};
use super::{Keyword, Lines, Within, keywords, seconds};

const IPVS: &str =
    "run `keepalived -C` beside mainstay: it reads the same file and does only its IPVS half";

pub(super) const TOP: &[Keyword] = keywords! { within Top;
"global_defs" Block(Within::GlobalDefs), "", "{\n}",
    "What concerns the node as a whole.";
"vrrp_instance" NamedBlock(Within::Instance), "", "VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 192.0.2.9\n }\n}",
    "This node's part in one virtual router.";
"vrrp_sync_group" NamedBlock(Within::SyncGroup), "", "G1 {\n}",
    "Instances that move together.";
"vrrp_script" NamedBlock(Within::Script), "", "chk {\n}",
    "A script that tells whether this node is fit.";
"track_file" NamedBlock(Within::TrackFile), "", "f {\n}",
    "A file whose number changes priorities.";
"vrrp_track_file" NamedBlock(Within::TrackFile), "", "f {\n}",
    "The old name of track_file." => Foreign("track_file");
"vrrp_track_process" NamedBlock(Within::TrackProcess), "", "p {\n}",
    "A process that must run.";
"bfd_instance" NamedBlock(Within::Bfd), "", "b {\n}",
    "A BFD session.";
"garp_group" Block(Within::GarpGroup), "", "{\n}",
    "Pacing of announcements per interface or group of them.";
"track_group" NamedBlock(Within::TrackGroup), "", "t {\n group {\n  VI_1\n }\n}",
    "Instances that fault with a static route or rule.";
"static_ipaddress" Rows(Lines::Vips), "", "{\n 192.0.2.1/24 dev eth0\n}",
    "Addresses held as long as the daemon runs.";
"static_routes" Rows(Lines::Routes), "", "{\n 192.0.2.0/24 via 192.0.2.1\n}",
    "Routes held as long as the daemon runs.";
"static_rules" Rows(Lines::Rules), "", "{\n from 192.0.2.0/24 table 1 preference 100\n}",
    "Rules held as long as the daemon runs.";
"interface_up_down_delays" Rows(Lines::Delays), "", "{\n eth0 1 2\n}",
    "How long an interface must be down or up to count.";
"linkbeat_interfaces" Rows(Lines::Carriers), "", "{\n eth0\n}",
    "Interfaces whose carrier is polled.";
"linkbeat_use_polling" Flag, "", "",
    "Polls the carrier of all interfaces.";
"net_namespace" Text("a name"), "", "blue",
    "The network namespace to work in.";
"net_namespace_ipvs" Text("a name"), "", "blue",
    "The network namespace of IPVS." => OutOfScope(IPVS);
"namespace_with_ipsets" Flag, "", "",
    "Uses ipsets in a namespace on very old kernels." => Accepted("no_accept is done by nftables, which every namespace has; ipsets are not used");
"instance" Text("a name"), "", "second",
    "Tells several daemons on one node apart.";
"use_pid_dir" Flag, "", "",
    "Where pid files go.";
"child_wait_time" seconds(0, 3_600), "5", "5",
    "How long to wait for processes at a stop.";
"include" Text("a file or pattern"), "", "/etc/keepalived/conf.d/*.conf",
    "Reads other files here.";
"includer" Text("a file or pattern"), "", "/etc/keepalived/conf.d/*.conf",
    "Reads other files here; each must be readable.";
"includem" Text("a file or pattern"), "", "/etc/keepalived/conf.d/*.conf",
    "Reads other files here; there must be one.";
"includew" Text("a file or pattern"), "", "/etc/keepalived/conf.d/*.conf",
    "Reads other files here; each wildcard must match.";
"includeb" Text("a file or pattern"), "", "/etc/keepalived/a.conf",
    "Reads other files here; each brace must match.";
"includea" Text("a file or pattern"), "", "/etc/keepalived/conf.d/*.conf",
    "Reads other files here; everything must match.";
"virtual_server" Rows(Lines::Free("IPVS")), "", "192.0.2.9 80 {\n}",
    "A load-balanced service." => OutOfScope(IPVS);
"virtual_server_group" Rows(Lines::Free("IPVS")), "", "g {\n}",
    "Addresses of a load-balanced service." => OutOfScope(IPVS);
"real_server" Rows(Lines::Free("IPVS")), "", "192.0.2.9 80 {\n}",
    "A server behind a load-balanced service." => OutOfScope(IPVS);
"SSL" Rows(Lines::Free("IPVS")), "", "{\n}",
    "Keys for checking real servers." => OutOfScope(IPVS);
"ssl" Rows(Lines::Free("IPVS")), "", "{\n}",
    "Keys for checking real servers." => OutOfScope(IPVS);
};

pub(super) const GARP_GROUP: &[Keyword] = keywords! { within GarpGroup;
"garp_interval" seconds(0, 60), "0", "0.001",
    "The least seconds between two gratuitous ARPs.";
"gna_interval" seconds(0, 60), "0", "0.001",
    "The least seconds between two neighbour advertisements.";
"interface" Interface, "", "eth0",
    "The interface this is about.";
"interfaces" Rows(Lines::Names("an interface")), "", "{\n eth0\n}",
    "The interfaces this is about, taken together.";
};

pub(super) const TRACK_GROUP: &[Keyword] = keywords! { within TrackGroup;
"group" Rows(Lines::Names("the name of a vrrp_instance")), "", "{\n VI_1\n}",
    "The instances.";
};
