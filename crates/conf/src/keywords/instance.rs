//! The keywords of `vrrp_instance` and of the blocks within it.

use core::time::Duration;

use super::Shape::{
    Address, Block, Choice, Flag, Group, Interface, Lines as Rows, MaybeChoice, MaybeInteger,
    MaybeScript, MaybeText, Repeated, Script, Switch, Text, Time, Words,
};
use super::Status::{Accepted, Foreign, Obsolete, OutOfScope};
use super::{Keyword, Lines, Within, keywords, number, seconds};

pub(super) const INSTANCE: &[Keyword] = keywords! { within Instance;
"state" Choice(&["MASTER", "BACKUP"]), "MASTER for priority 255, else BACKUP", "BACKUP",
    "How to start: only an owner may start Active, everybody else listens first.";
"interface" Interface, "", "eth0",
    "The interface adverts are sent and heard on, and VIPs are held on unless they name another.";
"virtual_router_id" number(1, 255, ""), "", "51",
    "The VRID, the same on all nodes of one virtual router and unique on its link.";
"priority" number(1, 255, ""), "100, or 255 with `state MASTER`", "100",
    "Who wins: the highest living node holds the VIPs; 255 is the owner of the addresses.";
"advert_int" Time { min: Duration::from_millis(10), max: Duration::from_secs(255) }, "1", "1",
    "Seconds between adverts: whole ones in version 2, 0.01 to 40.95 in version 3.";
"version" Choice(&["2", "3"]), "vrrp_version; IPv6: 3", "3",
    "The version of VRRP this instance speaks.";
"authentication" Block(Within::Authentication), "none", "{\n auth_type PASS\n auth_pass 1111\n}",
    "A plain-text password in version 2 adverts; it keeps mistakes out, not attackers.";
"auth_hmac" Block(Within::AuthHmac), "none", "{\n key 1 hex:0011223344556677889900112233445566778899001122334455667788990011\n active_key 1\n}",
    "Signed adverts.";
"virtual_ipaddress" Rows(Lines::Vips), "", "{\n 192.0.2.9/24 dev eth0 label eth0:v scope global brd +\n}",
    "The VIPs, carried in adverts; all of one family.";
"virtual_ipaddress_excluded" Rows(Lines::Vips), "", "{\n 2001:db8::9/64 dev eth1 -nodad preferred_lft forever\n}",
    "More VIPs of any family, held together with the others but not carried in adverts.";
"no_virtual_ipaddress" Flag, "", "",
    "Allows an instance without VIPs, for scripts that move something else.";
"virtual_routes" Rows(Lines::Routes), "", "{\n 192.0.2.0/24 via 192.0.2.1\n}",
    "Routes installed while Active.";
"virtual_rules" Rows(Lines::Rules), "", "{\n from 192.0.2.0/24 table 1 preference 100\n}",
    "Routing rules installed while Active.";
"promote_secondaries" Flag, "", "",
    "Keeps an interface's secondary addresses when a primary one goes.";
"unicast_src_ip" Address, "the interface's address", "192.0.2.1",
    "The source address of adverts, which also decides a tie of priorities.";
"mcast_src_ip" Address, "the interface's address", "192.0.2.1",
    "The source address of adverts, which also decides a tie of priorities.";
"mcast_dst_ip" Group, "the global group", "224.0.0.19",
    "Another multicast group for this instance.";
"unicast_peer" Rows(Lines::Peers), "multicast", "{\n 192.0.2.2 min_ttl 250 max_ttl 255\n}",
    "Sends adverts to these nodes one by one, and hears nobody else.";
"allowed_sources" Rows(Lines::Names("an address")), "everybody on the link", "{\n 192.0.2.2\n}",
    "Hears multicast adverts of these sources only; mainstay's own, for unicast there is unicast_peer.";
"unicast_fault_no_peer" Flag, "", "",
    "Faults an instance whose list of peers is empty." => Accepted("unicast settings without peers are refused before anything runs");
"unicast_ttl" number(1, 255, ""), "255", "255",
    "TTL or hop limit of unicast adverts.";
"check_unicast_src" Switch, "on", "on",
    "Refuses adverts that do not come from a listed peer.";
"track_src_ip" Flag, "", "",
    "Faults the instance when its source address goes.";
"old_unicast_checksum" MaybeChoice(&["never"]), "", "",
    "The checksum of keepalived before 1.3.7.";
"v3_checksum_as_v2" Switch, "global", "on",
    "Sends the version 3 IPv4 checksum without pseudo-header, as RFC 9568 says and older peers do not expect.";
"nopreempt" Flag, "", "",
    "Leaves a living Active node of lower priority alone.";
"preempt" Flag, "on", "",
    "Takes over from a living Active node of lower priority.";
"preempt_delay" seconds(0, 1000), "0", "5",
    "Seconds to hear a node of lower priority before taking over from it.";
"track_interface" Rows(Lines::Interfaces), "", "{\n eth1\n eth2 weight -20\n}",
    "Interfaces that must be up, or that change the priority by their weight.";
"track_script" Rows(Lines::Tracked("the name of a vrrp_script")), "", "{\n chk\n}",
    "Scripts that must succeed, or that change the priority.";
"track_file" Rows(Lines::Tracked("the name of a track_file")), "", "{\n f\n}",
    "Files whose number changes the priority.";
"track_process" Rows(Lines::Tracked("the name of a vrrp_track_process")), "", "{\n p\n}",
    "Processes that must run, or that change the priority.";
"track_bfd" Rows(Lines::Tracked("the name of a bfd_instance")), "", "{\n b\n}",
    "BFD sessions that must be up, or that change the priority.";
"dont_track_primary" Flag, "", "",
    "Stays in the game while its own interface is down.";
"notify_master" Script, "", "\"/etc/keepalived/notify.sh master\" nobody nogroup",
    "A script to run on becoming Active.";
"notify_backup" Script, "", "\"/etc/keepalived/notify.sh backup\"",
    "A script to run on becoming Backup.";
"notify_fault" Script, "", "\"/etc/keepalived/notify.sh fault\"",
    "A script to run when the instance can no longer take part.";
"notify_stop" Script, "", "\"/etc/keepalived/notify.sh stop\"",
    "A script to run when the instance stops.";
"notify_before_release" Script, "", "\"/etc/keepalived/notify.sh before\"",
    "A script to run, and to wait for, before a planned move takes the VIPs off this node.";
"notify_before_release_timeout" number(1, 1_000, "seconds"), "10", "10",
    "How long notify_before_release may take; the move goes on after it.";
"notify" Script, "", "/etc/keepalived/notify.sh",
    "A script to run at each of these, told what happened by four more arguments.";
"notify_deleted" MaybeScript, "", "/bin/true",
    "A script to run when a reload removes the instance.";
"notify_master_rx_lower_pri" Script, "", "/bin/true",
    "A script to run when an Active node hears a weaker one.";
"notify_priority_changes" Switch, "off", "on",
    "Reports changes of the priority on notify FIFOs.";
"smtp_alert" Switch, "global", "on",
    "Sends mail at transitions.";
"garp_master_delay" seconds(0, 86_400), "vrrp_garp_master_delay", "5",
    "Seconds from the first burst of announcements after a takeover to the second; 0: no second.";
"garp_master_repeat" number(1, 1_000, "announcements"), "vrrp_garp_master_repeat", "5",
    "Announcements per VIP in each burst after a takeover.";
"garp_master_refresh" seconds(0, 86_400), "vrrp_garp_master_refresh", "60",
    "Seconds between announcements while Active; 0: only at takeover.";
"garp_master_refresh_repeat" number(1, 1_000, "announcements"), "vrrp_garp_master_refresh_repeat", "1",
    "Announcements per VIP at each refresh.";
"garp_lower_prio_delay" seconds(0, 86_400), "vrrp_garp_lower_prio_delay", "5",
    "As garp_master_delay, after an Active node has heard a weaker one.";
"garp_lower_prio_repeat" number(0, 1_000, "announcements"), "vrrp_garp_lower_prio_repeat", "5",
    "As garp_master_repeat, after an Active node has heard a weaker one; 0: none.";
"garp_extra_if" Words("[all] SECONDS", 1, 2), "global", "all 60",
    "Announcements on the VIPs' other interfaces, to keep switches informed.";
"vmac_garp_intvl" Words("[all] SECONDS", 1, 2), "", "all 60",
    "The old name of garp_extra_if." => Foreign("garp_extra_if");
"garp_interval" seconds(0, 60), "", "0.001",
    "The least time between announcements, as some generators write it.";
"gna_interval" seconds(0, 60), "", "0.001",
    "The least time between neighbour advertisements, as some generators write it.";
"lower_prio_no_advert" Switch, "global", "on",
    "Does not answer a weaker node's advert while Active.";
"higher_prio_send_advert" Switch, "global", "on",
    "Sends one more advert before yielding to a stronger node, so that the winner announces again.";
"owner_ignore_adverts" Switch, "global", "on",
    "Lets an owner ignore other owners.";
"down_timer_adverts" number(1, 100, "adverts"), "vrrp_down_timer_adverts", "3",
    "Adverts to miss before the Active node counts as gone; the same on all nodes.";
"lease" Switch, "on", "off",
    "Has the kernel silence the VIPs when this node freezes or dies, before another takes over.";
"timer_expired_backup" MaybeInteger { min: 1, max: 254 }, "off", "",
    "Steps down after having slept for too long." => Obsolete("the lease and the stall guard do this always");
"thread_timer_expired" MaybeInteger { min: 1, max: 254 }, "off", "",
    "The old name of timer_expired_backup." => Foreign("timer_expired_backup");
"use_vmac" Words("[[NAME] INTERFACE] [MAC]", 0, 6), "off", "vrrp.51",
    "Holds the VIPs on an interface with the virtual router's MAC, so that no neighbour has to learn another when they move.";
"vmac_xmit_base" Flag, "", "",
    "Sends adverts with the real interface's MAC, not the virtual one; unicast needs it.";
"use_vmac_addr" Flag, "", "",
    "Virtual MACs also for VIPs on other interfaces, and for those of the other family.";
"use_ipvlan" Words("[INTERFACE] [ADDRESS] [MODE]", 0, 6), "off", "192.0.2.8/24",
    "Holds the VIPs on an ipvlan interface.";
"vrf" Interface, "", "blue",
    "The VRF of an instance without interface.";
"accept" Flag, "on", "",
    "Lets an Active node that is not the owner be reached at its VIPs; always so here.";
"no_accept" Flag, "", "",
    "Drops traffic to the VIPs of an Active node that is not the owner.";
"strict_mode" Switch, "vrrp_strict", "off",
    "Holds to the letter of the RFC." => Accepted("strict mode holds to the RFC in what is sent, heard and waited for; it never filters a VIP's traffic, as keepalived would");
"skip_check_adv_addr" Switch, "vrrp_skip_check_adv_addr", "on",
    "Compares an advert's list of VIPs with ours only when its sender changes.";
"native_ipv6" Flag, "", "",
    "Once chose IPv6." => Obsolete("the family follows from the addresses");
"ip_family" MaybeText("inet or inet6"), "", "inet6",
    "Another product's way to choose the family." => Obsolete("the family follows from the addresses");
"debug" number(0, 4, ""), "", "0",
    "Never did anything." => Obsolete("it never did anything in keepalived either");
"linkbeat_use_polling" Flag, "", "",
    "Asks the interface for its carrier again and again.";
"lvs_sync_daemon_interface" Interface, "", "eth0",
    "Replicates IPVS connections." => OutOfScope("run `keepalived -C` beside mainstay for IPVS and its synchronisation");
"kernel_rx_buf_size" number(1, 1_073_741_824, "bytes"), "", "262144",
    "Size of the receive buffer." => Accepted("one socket serves all instances of an interface; see vrrp_rx_bufs_policy");
"vrrp_unicast_bind" Address, "", "192.0.2.1",
    "The old patch's name of unicast_src_ip." => Foreign("unicast_src_ip");
"vrrp_unicast_peer" Address, "", "192.0.2.2",
    "The old patch's way to name one peer; may stand several times." => Foreign("unicast_peer");
};

pub(super) const AUTHENTICATION: &[Keyword] = keywords! { within Authentication;
"auth_type" Choice(&["PASS", "AH"]), "", "PASS",
    "How adverts are authenticated: PASS. AH is refused.";
"auth_pass" Text("a password"), "", "1111",
    "The password, 1 to 8 octets, the same on all nodes.";
};

pub(super) const AUTH_HMAC: &[Keyword] = keywords! { within AuthHmac;
"key" Repeated("ID hex:...|file:...|TEXT"), "", "1 hex:0011223344556677889900112233445566778899001122334455667788990011",
    "A key to sign or check with.";
"active_key" number(1, 255, ""), "", "1",
    "The key to sign with.";
"anti_replay" Choice(&["time", "monotonic"]), "time", "time",
    "How old adverts are told from new ones.";
"time_window" seconds(1, 300), "three intervals, at least 5", "5",
    "How far clocks may differ.";
"mode" Choice(&["enforce", "permissive", "receive-only"]), "enforce", "enforce",
    "Whether unsigned adverts are refused.";
};
