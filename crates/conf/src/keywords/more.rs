//! What one sentence does not say about a keyword.

use super::{Keyword, Within};

/// A second paragraph, for keywords that are often misunderstood.
#[must_use]
pub fn more(keyword: &Keyword) -> Option<&'static str> {
    MORE.iter()
        .find(|(within, name, _)| *within == keyword.within && *name == keyword.name)
        .map(|(_, _, text)| *text)
}

const MORE: &[(Within, &str, &str)] = &[
    (
        Within::Top,
        "vrrp_instance",
        "Instances with the same VRID, family and link on several nodes make one virtual router; its VIPs are held by exactly one of them at a time. The name is the node's own affair: it appears in status, logs and scripts and never on the wire.",
    ),
    (
        Within::Top,
        "vrrp_sync_group",
        "A gateway with one VIP inside and one outside must have both on one node. All members become Active together, and a fault of one takes all of them back. Members share one fate, so their priorities should be the same on each node.",
    ),
    (
        Within::Top,
        "vrrp_script",
        "Without a weight a failing script takes the instances that track it out of the game; with one it changes their priority. A script nobody tracks is not run.",
    ),
    (
        Within::Top,
        "track_file",
        "The usual maintenance switch: an operator, or a program, writes a number into the file, and priorities follow at once. A missing or unreadable file counts as 0.",
    ),
    (
        Within::Top,
        "vrrp_track_process",
        "Cheaper than a script that calls pgrep: the kernel reports starts and ends of processes. The name is compared exactly.",
    ),
    (
        Within::Top,
        "static_ipaddress",
        "Installed when the daemon starts and removed when it stops, whatever any instance does. Too late to be the source address of an instance.",
    ),
    (
        Within::Top,
        "interface_up_down_delays",
        "Keeps a flapping link from causing takeovers. A delay should stay below the time in which a silent holder counts as dead.",
    ),
    (
        Within::Top,
        "include",
        "The rest of the line is the name, seen from the directory of the file it stands in. Wildcards and braces are those of a shell; what matches is read in the order of names.",
    ),
    (
        Within::Top,
        "net_namespace",
        "Cannot be changed by a reload. Pid files then go into /run/keepalived/.",
    ),
    (Within::GlobalDefs, "router_id", "Two nodes may have the same one; nothing depends on it."),
    (
        Within::GlobalDefs,
        "script_user",
        "A script that is to change addresses, routes or services usually needs root; a check usually does not. Without this line scripts run as keepalived_script where that account exists, else as root. A colon before the group adds it to the user's own groups.",
    ),
    (
        Within::GlobalDefs,
        "enable_script_security",
        "Off, a script that somebody else could exchange is run all the same and reported; on, such a configuration is refused.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_version",
        "All nodes of a virtual router must speak the same version: adverts of the other are dropped, and both nodes hold the VIPs. Version 2 counts intervals in whole seconds.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_strict",
        "Copied from keepalived's sample file into thousands of configurations, where it then drops all traffic to the VIPs. Here it never filters anything.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_garp_master_delay",
        "The second burst reaches neighbours and switches that were not ready for the first.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_garp_master_refresh",
        "For networks that forget addresses, or devices that answered wrongly once. Costs one frame per VIP each time.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_garp_interval",
        "0 means no pacing; keepalived 2.2.7 and later complain about it, though its own sample file has it.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_down_timer_adverts",
        "Less than 3 makes takeovers faster and false ones likelier. A node with another value than its peers overtakes a living holder, or waits while nobody serves.",
    ),
    (
        Within::GlobalDefs,
        "dynamic_interfaces",
        "Without it keepalived refuses a configuration that names an interface which is not there yet; mainstay always binds late.",
    ),
    (
        Within::GlobalDefs,
        "vrrp_startup_delay",
        "For links that carry nothing in their first seconds, as bonds and ports with spanning tree do: a node that starts deaf takes over from a living holder.",
    ),
    (Within::GlobalDefs, "max_auto_priority", "-1 in keepalived only silences a message about it."),
    (Within::GlobalDefs, "nftables", "The table must belong to nobody else."),
    (
        Within::GlobalDefs,
        "notify_fifo",
        "Each event is one line: INSTANCE or GROUP, the name in quotes, the state, the priority. A reader that is too slow loses events in keepalived.",
    ),
    (
        Within::GlobalDefs,
        "smtp_server",
        "Plain SMTP to a server that takes mail from this node; no login, no encryption.",
    ),
    (
        Within::Instance,
        "state",
        "With a priority below 255 both words mean the same: listen first, take over after a silence. Its one other effect is that MASTER cancels nopreempt and preempt_delay, and that MASTER without a priority means 255. Write BACKUP on all nodes and let priorities decide.",
    ),
    (
        Within::Instance,
        "interface",
        "May be left out for unicast with a source address; each VIP then names an interface of its own.",
    ),
    (
        Within::Instance,
        "virtual_router_id",
        "Two virtual routers with one VRID on one link fight for each other's VIPs; `mainstay status` names a stranger that was heard. The VRID is also the last octet of the virtual MAC.",
    ),
    (
        Within::Instance,
        "priority",
        "Give each node a priority of its own: equal ones are decided by the higher source address. The distance between nodes should be smaller than the weights that are to move the VIPs, and larger than noise.",
    ),
    (
        Within::Instance,
        "advert_int",
        "The same on all nodes. A holder that is silent for down_timer_adverts times this, and a bit more for lower priorities, counts as dead.",
    ),
    (
        Within::Instance,
        "authentication",
        "Version 2 only. The password stands in every advert in clear; all nodes must have the same or they do not hear each other, and both hold the VIPs.",
    ),
    (
        Within::Instance,
        "auth_hmac",
        "A trailer behind the advert, checked against a key, the clock and repetition; the clocks of all nodes must agree within time_window. Introduce it node by node in three steps: receive-only on all nodes, then permissive, then enforce; `mainstay events` names who does not sign yet. Understood by keepalived from 2.4.2 on.",
    ),
    (
        Within::Instance,
        "allowed_sources",
        "mainstay's own: keepalived does not know it. The addresses the other nodes send from, over IPv6 their link-local ones. It keeps out mistakes and strangers' VRIDs; a source address can be forged, so against attackers sign adverts with auth_hmac.",
    ),
    (
        Within::AuthHmac,
        "key",
        "32 to 64 octets: as `hex:` and twice as many digits, as plain text, or in a file of its own that only root can read, which holds either. The same under the same number on all nodes. To change it, give the new one to all nodes first, then move active_key on all, then remove the old one.",
    ),
    (
        Within::Instance,
        "virtual_ipaddress",
        "One address a line. Without a length the prefix is the whole address (/32 or /128). IPv6 adverts must begin with a link-local VIP to please the RFC. On all nodes the same.",
    ),
    (
        Within::Instance,
        "virtual_ipaddress_excluded",
        "For more addresses than an advert can carry, and for addresses of the other family: one instance then serves both.",
    ),
    (
        Within::Instance,
        "virtual_routes",
        "Installed after the VIPs and removed before them, as `ip route` would. `src` with a VIP makes the node speak from it.",
    ),
    (
        Within::Instance,
        "unicast_peer",
        "Where multicast is not carried (most clouds, some switches). Each node lists all others, never itself; with `unicast_src_ip`, the address the others list.",
    ),
    (
        Within::Instance,
        "unicast_src_ip",
        "Must be an address of this node; decides ties, and what other nodes must list as their peer.",
    ),
    (
        Within::Instance,
        "nopreempt",
        "A node that comes back leaves the VIPs where they are. Must stand on the node with the higher priority, with `state BACKUP`. Together with weights it keeps a failed service in place.",
    ),
    (
        Within::Instance,
        "preempt_delay",
        "Counts from the first advert of a weaker holder. Does not delay taking over from a silent one.",
    ),
    (
        Within::Instance,
        "track_interface",
        "Without a weight, down means fault. With a positive one the weight is added while the interface is up, with a negative one it is subtracted while it is down.",
    ),
    (
        Within::Instance,
        "track_script",
        "The weight given here goes before that of the script. Without any, failure means fault.",
    ),
    (
        Within::Instance,
        "notify",
        "Called with INSTANCE, the name, the state (MASTER, BACKUP, FAULT, STOP) and the priority behind its own arguments. Scripts of one instance run one after another, in the order of the events.",
    ),
    (
        Within::Instance,
        "notify_master",
        "Runs when the VIPs are in place. No arguments are added to those given.",
    ),
    (
        Within::Instance,
        "notify_stop",
        "Runs when the instance stops with the daemon, after its VIPs have gone. What must stop while they are still there belongs into notify_before_release.",
    ),
    (
        Within::Instance,
        "notify_before_release",
        "Only for a holder, and only for what is planned: a stop, a switch-over, a reload that removes the instance. The VIPs are served, the lease renewed and adverts sent until the script has ended or its time is up; then the move begins. It is not run when a stronger node takes over, a fault or a refused address makes the node step down, or the daemon dies. No arguments are added to those given. Not keepalived's: a word of mainstay.",
    ),
    (
        Within::SyncGroup,
        "notify_before_release",
        "As in an instance, once for the group, beside those of its members.",
    ),
    (
        Within::Instance,
        "use_vmac",
        "The VIPs then keep one MAC on all nodes, so neighbours need not learn a new one. Not every hypervisor and switch lets a second MAC pass. With 5 octets given as MAC the VRID is the sixth.",
    ),
    (
        Within::Instance,
        "no_accept",
        "The RFC's default: a holder that does not own the addresses only forwards. Nobody can then reach a service at the VIP.",
    ),
    (
        Within::Instance,
        "dont_track_primary",
        "The instance stays Active with its cable unplugged; useful where adverts take another way.",
    ),
    (
        Within::Instance,
        "v3_checksum_as_v2",
        "Without it the form the present holder uses is adopted, RFC 5798's until one is heard.",
    ),
    (
        Within::Instance,
        "garp_extra_if",
        "Switches forget MACs that never send; adverts refresh only the instance's own interface.",
    ),
    (
        Within::SyncGroup,
        "track_script",
        "Weights here change all members alike, which is what a group needs.",
    ),
    (
        Within::Script,
        "script",
        "Run by no shell; a path with its arguments in one word. Exit 0 means good. `\"</path\"` runs nothing: it is good while its user can open that file, which /bin/sh finds out.",
    ),
    (
        Within::Script,
        "interval",
        "Fractions of a second are understood here; keepalived up to 2.2 takes whole seconds only.",
    ),
    (Within::Script, "timeout", "A run that takes longer is ended and counts as failed."),
    (
        Within::Script,
        "weight",
        "0: failure is a fault. Positive: added while good. Negative: subtracted while bad. The distance to the next node's priority must be smaller, or nothing moves.",
    ),
    (
        Within::Script,
        "rise",
        "Keeps a flapping service from causing takeovers; the first run after the start decides at once.",
    ),
    (
        Within::TrackFile,
        "weight",
        "The number in the file times this is added to the priority; a result of -254 or less is a fault. 0: anything but the number 0 is a fault.",
    ),
    (
        Within::Authentication,
        "auth_pass",
        "keepalived uses the first eight octets and warns; a longer one is refused here, since other implementations refuse it too.",
    ),
];
