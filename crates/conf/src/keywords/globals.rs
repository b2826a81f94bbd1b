//! The keywords of `global_defs`.

use super::Shape::{
    Account, Choice, Fifo, Flag, Free, GroupV4, GroupV6, Interface, Lines as Rows, MaybeChoice,
    MaybeInteger, MaybeText, Numbers, Script, Switch, Text, Words,
};
use super::Status::{Accepted, Foreign, OutOfScope};
use super::{Keyword, Lines, keywords, number, seconds};

const IPVS: &str = "run `keepalived -C` beside mainstay for IPVS";

const ONE_ENGINE: &str = "BFD runs in the thread that runs VRRP, so it is scheduled as the keywords with vrrp_ in place of bfd_ say";

const NFTABLES: &str =
    "no_accept is done by nftables; without no_accept no traffic of a VIP is ever filtered";

pub(super) const GLOBAL_DEFS: &[Keyword] = keywords! { within GlobalDefs;
"router_id" Text("a name"), "the host name", "node1",
    "What this node is called in mail, SNMP and logs; never on the wire.";
"lvs_id" Text("a name"), "", "node1",
    "The old name of router_id." => Foreign("router_id");
"notification_email" Rows(Lines::Mail), "", "{\n \"Root <root@example.com>\"\n}",
    "Who gets mail.";
"notification_email_from" Text("a mail address"), "", "root@example.com",
    "Who mail is from.";
"smtp_server" Words("HOST [PORT]", 1, 2), "", "192.0.2.25 25",
    "Which server takes mail.";
"smtp_connect_timeout" seconds(1, 3_600), "30", "30",
    "How long to wait for it.";
"smtp_helo_name" Text("a name"), "the host name", "node1",
    "How to greet it.";
"smtp_alert" Switch, "off", "on",
    "Whether instances send mail unless they say otherwise.";
"smtp_alert_vrrp" Switch, "smtp_alert", "on",
    "Whether instances send mail unless they say otherwise; goes before smtp_alert.";
"smtp_alert_checker" Switch, "smtp_alert", "on",
    "Whether IPVS checkers send mail." => OutOfScope(IPVS);
"no_email_faults" Flag, "", "",
    "No mail about faults.";
"script_user" Account, "keepalived_script if there is one, else our own", "nobody nogroup",
    "The user, and perhaps the group, that runs scripts.";
"enable_script_security" Switch, "off", "",
    "Refuses a script that runs as root and that somebody else could change.";
"use_symlink_paths" Switch, "off", "on",
    "Runs scripts by the path as written, links and all." => Accepted("scripts are always run by the path as it is written");
"set_supplementary_groups" Flag, "", "",
    "Gives scripts all groups of their user." => Accepted("scripts always have all the groups of their user");
"vrrp_version" Choice(&["2", "3"]), "2; IPv6: 3", "3",
    "The version of VRRP instances speak unless they say otherwise.";
"vrrp_strict" Switch, "off", "on",
    "Holds to the letter of the RFC." => Accepted("strict mode holds to the RFC in what is sent, heard and waited for; it never filters a VIP's traffic, as keepalived would");
"vrrp_skip_check_adv_addr" Switch, "off", "on",
    "Compares an advert's list of VIPs with ours only when its sender changes.";
"vrrp_garp_interval" seconds(0, 60), "0", "0.001",
    "The least seconds between two gratuitous ARPs on one interface.";
"vrrp_gna_interval" seconds(0, 60), "0", "0",
    "The least seconds between two unsolicited neighbour advertisements on one interface.";
"vrrp_garp_master_delay" seconds(0, 86_400), "5", "5",
    "Seconds from the first burst of announcements after a takeover to the second; 0: no second.";
"vrrp_garp_master_repeat" number(1, 1_000, "announcements"), "5", "5",
    "Announcements per VIP in each burst after a takeover.";
"vrrp_garp_master_refresh" seconds(0, 86_400), "0", "60",
    "Seconds between announcements while Active; 0: only at takeover.";
"vrrp_garp_master_refresh_repeat" number(1, 1_000, "announcements"), "1", "1",
    "Announcements per VIP at each refresh.";
"vrrp_garp_lower_prio_delay" seconds(0, 86_400), "vrrp_garp_master_delay", "5",
    "As vrrp_garp_master_delay, after an Active node has heard a weaker one.";
"vrrp_garp_lower_prio_repeat" number(0, 1_000, "announcements"), "vrrp_garp_master_repeat", "5",
    "As vrrp_garp_master_repeat, after an Active node has heard a weaker one; 0: none.";
"vrrp_min_garp" Switch, "off", "on",
    "One announcement per VIP and no second burst, unless set otherwise by name.";
"vrrp_garp_extra_if" Words("[all] SECONDS", 1, 2), "0", "all 60",
    "Announcements on the VIPs' other interfaces, to keep switches informed.";
"vrrp_vmac_garp_intvl" Words("[all] SECONDS", 1, 2), "", "all 60",
    "The old name of vrrp_garp_extra_if." => Foreign("vrrp_garp_extra_if");
"vrrp_lower_prio_no_advert" Switch, "off", "on",
    "Does not answer a weaker node's advert while Active.";
"vrrp_higher_prio_send_advert" Switch, "off", "on",
    "Sends one more advert before yielding to a stronger node, so that the winner announces again.";
"vrrp_down_timer_adverts" number(1, 100, "adverts"), "3", "3",
    "Adverts to miss before the Active node counts as gone; the same on all nodes.";
"vrrp_mcast_group4" GroupV4, "224.0.0.18", "224.0.0.18",
    "The IPv4 group adverts are sent to.";
"vrrp_mcast_group6" GroupV6, "ff02::12", "ff02::12",
    "The IPv6 group adverts are sent to.";
"vrrp_check_unicast_src" Switch, "on", "on",
    "Refuses unicast adverts that do not come from a listed peer.";
"vrrp_owner_ignore_adverts" Switch, "off", "on",
    "Lets an owner ignore other owners.";
"v3_checksum_as_v2" Switch, "off", "on",
    "Sends the version 3 IPv4 checksum without pseudo-header, as RFC 9568 says and older peers do not expect.";
"log_unknown_vrids" Switch, "off", "on",
    "Logs adverts for virtual routers nobody here knows." => Accepted("such adverts are always told of: the first at once, more of them summed up every ten seconds");
"default_interface" Interface, "eth0", "eth0",
    "The interface of a VIP when neither it nor its instance names one.";
"dynamic_interfaces" MaybeChoice(&["allow_if_changes"]), "on", "allow_if_changes",
    "Tolerates interfaces that come and go, which is always so here; `allow_if_changes`: also of another type.";
"vrrp_startup_delay" seconds(0, 86_400), "0", "5",
    "Seconds after the start during which no instance takes part.";
"vrrp_delay_after_boot" seconds(0, 86_400), "0", "60",
    "Seconds after boot during which no instance takes part.";
"notify_fifo" Fifo, "", "/run/fifo",
    "A FIFO told of every transition.";
"notify_fifo_script" Script, "", "/bin/true",
    "A script that reads it.";
"vrrp_notify_fifo" Fifo, "", "/run/fifo",
    "A FIFO told of every VRRP transition.";
"vrrp_notify_fifo_script" Script, "", "/bin/true",
    "A script that reads it.";
"vrrp_notify_priority_changes" Switch, "off", "on",
    "Tells FIFOs of priorities too.";
"fifo_write_vrrp_states_on_reload" Flag, "", "",
    "Tells FIFOs all states after a reload.";
"startup_script" Script, "", "/bin/true",
    "A script to run before everything.";
"startup_script_timeout" number(1, 1_000, "seconds"), "10", "10",
    "How long it may take.";
"shutdown_script" Script, "", "/bin/true",
    "A script to run after everything.";
"shutdown_script_timeout" number(1, 1_000, "seconds"), "10", "10",
    "How long it may take.";
"max_auto_priority" MaybeInteger { min: -1, max: 99 }, "0", "-1",
    "How far to raise the own scheduling priority after waking late." => Accepted("scheduling priority is not raised by being late; lateness makes the node let go instead");
"min_auto_priority_delay" number(1, 10_000_000, "microseconds"), "1000000", "1000000",
    "How late is late." => Accepted("scheduling priority is not raised by being late; lateness makes the node let go instead");
"vrrp_priority" number(-20, 19, ""), "0", "-20",
    "Nice value of the VRRP process.";
"vrrp_rt_priority" number(1, 99, ""), "", "50",
    "Real-time priority of the VRRP process.";
"vrrp_rlimit_rttime" number(2, 1_000_000_000, "microseconds"), "10000", "10000",
    "Processor time it may take at once.";
"vrrp_rlimit_rtime" number(2, 1_000_000_000, "microseconds"), "", "10000",
    "The old name of vrrp_rlimit_rttime." => Foreign("vrrp_rlimit_rttime");
"vrrp_no_swap" Flag, "", "",
    "Keeps the VRRP process in memory.";
"vrrp_cpu_affinity" Numbers("CPU"), "", "0",
    "Processors the VRRP process may use.";
"bfd_priority" number(-20, 19, ""), "0", "-20",
    "Nice value of the BFD process." => Accepted(ONE_ENGINE);
"bfd_rt_priority" number(1, 99, ""), "", "50",
    "Real-time priority of the BFD process." => Accepted(ONE_ENGINE);
"bfd_rlimit_rttime" number(2, 1_000_000_000, "microseconds"), "10000", "10000",
    "Processor time it may take at once." => Accepted(ONE_ENGINE);
"bfd_no_swap" Flag, "", "",
    "Keeps the BFD process in memory." => Accepted(ONE_ENGINE);
"bfd_cpu_affinity" Numbers("CPU"), "", "0",
    "Processors the BFD process may use." => Accepted(ONE_ENGINE);
"checker_priority" number(-20, 19, ""), "0", "0",
    "Nice value of the checker process." => OutOfScope(IPVS);
"checker_rt_priority" number(1, 99, ""), "", "50",
    "Real-time priority of the checker process." => OutOfScope(IPVS);
"checker_rlimit_rttime" number(2, 1_000_000_000, "microseconds"), "10000", "10000",
    "Processor time it may take at once." => OutOfScope(IPVS);
"checker_no_swap" Flag, "", "",
    "Keeps the checker process in memory." => OutOfScope(IPVS);
"checker_cpu_affinity" Free("CPU ..."), "", "0",
    "Processors the checker process may use." => OutOfScope(IPVS);
"checker_log_all_failures" Switch, "off", "on",
    "Logs every failed check of a real server." => OutOfScope(IPVS);
"lvs_sync_daemon" Free("INTERFACE ..."), "", "eth0",
    "Replicates IPVS connections." => OutOfScope(IPVS);
"lvs_timeouts" Free("[tcp S] [tcpfin S] [udp S]"), "", "tcp 900",
    "Time-outs of IPVS connections." => OutOfScope(IPVS);
"lvs_flush" Flag, "", "",
    "Empties IPVS at start." => OutOfScope(IPVS);
"lvs_flush_on_stop" MaybeChoice(&["VS"]), "", "VS",
    "Empties IPVS at stop." => OutOfScope(IPVS);
"lvs_notify_fifo" Free("PATH [USER [GROUP]]"), "", "/run/fifo",
    "A FIFO told of checkers." => OutOfScope(IPVS);
"lvs_notify_fifo_script" Free("SCRIPT [USER [GROUP]]"), "", "/bin/true",
    "A script that reads it." => OutOfScope(IPVS);
"lvs_netlink_cmd_rcv_bufs" number(0, 1_073_741_824, "bytes"), "", "0",
    "A socket buffer of the checker process." => OutOfScope(IPVS);
"lvs_netlink_monitor_rcv_bufs" number(0, 1_073_741_824, "bytes"), "", "0",
    "A socket buffer of the checker process." => OutOfScope(IPVS);
"nftables_ipvs" Free("[TABLE]"), "keepalived_ipvs", "t",
    "The nftables table for IPVS marks." => OutOfScope(IPVS);
"nftables_ipvs_priority" number(-2_147_483_648, 2_147_483_647, ""), "", "0",
    "The priority of its chains." => OutOfScope(IPVS);
"nftables_ipvs_start_fwmark" number(1, 4_294_967_295, ""), "1000", "1000",
    "The first mark for IPVS." => OutOfScope(IPVS);
"process_names" Flag, "", "",
    "Names each process after its task.";
"process_name" Text("a name"), "keepalived", "k",
    "The name of the parent process.";
"vrrp_process_name" Text("a name"), "keepalived_vrrp", "k",
    "The name of the VRRP process.";
"bfd_process_name" Text("a name"), "keepalived_bfd", "k",
    "The name of the BFD process." => Accepted("there is no process for BFD alone, so nothing has that name");
"checker_process_name" Text("a name"), "keepalived_ipvs", "k",
    "The name of the checker process." => OutOfScope(IPVS);
"nftables" MaybeText("a table"), "keepalived", "t",
    "The nftables table for no_accept.";
"nftables_priority" number(-2_147_483_648, 2_147_483_647, ""), "-1", "-1",
    "The priority of its chains.";
"nftables_counters" Flag, "", "",
    "Counts what its rules match.";
"nftables_ifindex" Flag, "", "",
    "Uses interface numbers in its sets." => Accepted("its sets always have the interface's number, never its name");
"vrrp_iptables" Words("[IN [OUT]]", 0, 2), "INPUT OUTPUT", "INPUT",
    "The iptables chains for no_accept." => Accepted(NFTABLES);
"vrrp_ipsets" Words("[NAME ...]", 0, 6), "keepalived", "k",
    "The ipsets for no_accept." => Accepted(NFTABLES);
"disable_local_igmp" Flag, "", "",
    "Switches local IGMP reports off for the whole node.";
"vmac_prefix" Text("a prefix"), "vrrp", "vrrp",
    "How names of virtual MAC interfaces begin.";
"vmac_addr_prefix" Text("a prefix"), "vmac_prefix", "vrrp",
    "How names of virtual MAC interfaces for other VIPs begin.";
"enable_snmp_vrrp" Flag, "", "",
    "Answers SNMP questions about instances.";
"enable_snmp_keepalived" Flag, "", "",
    "The old name of enable_snmp_vrrp." => Foreign("enable_snmp_vrrp");
"enable_snmp_checker" Flag, "", "",
    "Answers SNMP questions about IPVS." => OutOfScope(IPVS);
"enable_snmp_rfc" Flag, "", "",
    "Answers SNMP questions by the RFCs' MIBs.";
"enable_snmp_rfcv2" Flag, "", "",
    "Answers SNMP questions by RFC 2787.";
"enable_snmp_rfcv3" Flag, "", "",
    "Answers SNMP questions by RFC 6527.";
"enable_traps" Flag, "", "",
    "Sends SNMP traps.";
"snmp_socket" Text("an address"), "unix:/var/agentx/master", "unix:/var/agentx/master",
    "Where the SNMP master agent listens.";
"enable_dbus" Flag, "", "",
    "Speaks D-Bus.";
"dbus_service_name" Text("a name"), "org.keepalived.Vrrp1", "org.keepalived.Vrrp1",
    "The name on the bus.";
"dbus_no_interface_name" Text("a name"), "none", "none",
    "What stands for a missing interface in paths.";
"vrrp_netlink_cmd_rcv_bufs" number(0, 1_073_741_824, "bytes"), "", "0",
    "Receive buffer of the netlink command socket." => Accepted("its buffer always holds the answers to a whole batch of commands");
"vrrp_netlink_cmd_rcv_bufs_force" Switch, "off", "on",
    "May exceed the system's limit." => Accepted("buffers exceed the system's limit wherever there is the right");
"vrrp_netlink_monitor_rcv_bufs" number(0, 1_073_741_824, "bytes"), "", "0",
    "Receive buffer of the netlink monitor socket.";
"vrrp_netlink_monitor_rcv_bufs_force" Switch, "off", "on",
    "May exceed the system's limit." => Accepted("buffers exceed the system's limit wherever there is the right");
"process_monitor_rcv_bufs" number(0, 1_073_741_824, "bytes"), "", "0",
    "Receive buffer of the process monitor.";
"process_monitor_rcv_bufs_force" Switch, "off", "on",
    "May exceed the system's limit." => Accepted("buffers exceed the system's limit wherever there is the right");
"vrrp_rx_bufs_policy" Words("MTU|ADVERT|BYTES", 1, 1), "the kernel's", "ADVERT",
    "How receive buffers are sized." => Accepted("a number of octets is used when it exceeds 2 MiB, which every interface's socket has anyway: more than MTU and ADVERT would come to");
"vrrp_rx_bufs_multiplier" number(1, 1_000, ""), "3", "3",
    "How many adverts they hold." => Accepted("every interface's socket has 2 MiB or what vrrp_rx_bufs_policy says");
"reload_check_config" MaybeText("a file for the log"), "off", "",
    "Checks a new configuration before using it." => Accepted("a new configuration is always checked before it is used");
"reload_time_file" Text("a path"), "", "/run/reload",
    "When to reload.";
"reload_repeat" Flag, "", "",
    "Reloads again and again.";
"reload_file" MaybeText("a path"), "", "/run/reload",
    "A marker while the configuration is read.";
"include_check" Words("[+|-]CHECK ...", 0, 8), "", "readable",
    "What is an error about an include: `readable`, `match`, `wildcard_match`, `brace_match`, with `+` or `-` added or removed; nothing means all.";
"config_save_dir" Text("a path"), "", "/tmp",
    "Where to save configurations at reloads.";
"tmp_config_directory" Text("a path"), "memory", "/tmp",
    "Where a copy of the configuration is kept." => Accepted("the text is read once and kept in memory, never in a file");
"umask" Text("a mask"), "0177", "0177",
    "Rights that dump files do not get.";
"random_seed" number(0, 4_294_967_295, ""), "", "1",
    "Where the numbers of `${_RANDOM}` begin; without it they are the same at every start.";
"iproute_usr_dir" Text("a path"), "/usr/share/iproute2", "/usr/share/iproute2",
    "Where names of tables and scopes are found.";
"iproute_etc_dir" Text("a path"), "/etc/iproute2", "/etc/iproute2",
    "Where names of tables and scopes are found.";
"data_use_instance" Switch, "off", "on",
    "Puts the instance name into dump files' names.";
"state_dump_file" Text("a path"), "/tmp/keepalived.data", "/tmp/k",
    "Where state is dumped.";
"stats_dump_file" Text("a path"), "/tmp/keepalived.stats", "/tmp/k",
    "Where counters are dumped.";
"json_dump_file" Text("a path"), "/tmp/keepalived.json", "/tmp/k",
    "Where state is dumped as JSON.";
"state_dump_file_location" Text("a path"), "", "/tmp/k",
    "The manual page's name of state_dump_file." => Foreign("state_dump_file");
"stats_dump_file_location" Text("a path"), "", "/tmp/k",
    "The manual page's name of stats_dump_file." => Foreign("stats_dump_file");
"json_dump_file_location" Text("a path"), "", "/tmp/k",
    "The manual page's name of json_dump_file." => Foreign("json_dump_file");
"json_version" Choice(&["1", "2"]), "1", "1",
    "The form of JSON dumps.";
};
