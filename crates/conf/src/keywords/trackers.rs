//! The keywords of sync groups and of the blocks that define trackers.

use core::time::Duration;

use super::Shape::{
    Account, Address, Choice, Command, Flag, Lines as Rows, Millis, Script, Switch, Text, Time,
    Weight, Words,
};
use super::Status::Foreign;
use super::{Keyword, Lines, keywords, number, seconds};

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) const SYNC_GROUP: &[Keyword] = keywords! { within SyncGroup;
"group" Rows(Lines::Names("the name of a vrrp_instance")), "", "{\n VI_1\n VI_2\n}",
    "The instances.";
"track_interface" Rows(Lines::Interfaces), "", "{\n eth1\n}",
    "Interfaces every member tracks.";
"track_script" Rows(Lines::Tracked("the name of a vrrp_script")), "", "{\n chk\n}",
    "Scripts every member tracks.";
"track_file" Rows(Lines::Tracked("the name of a track_file")), "", "{\n f\n}",
    "Files every member tracks.";
"track_process" Rows(Lines::Tracked("the name of a vrrp_track_process")), "", "{\n p\n}",
    "Processes every member tracks.";
"track_bfd" Rows(Lines::Tracked("the name of a bfd_instance")), "", "{\n b\n}",
    "BFD sessions every member tracks.";
"notify_master" Script, "", "/bin/true",
    "A script to run when the group becomes Active.";
"notify_backup" Script, "", "/bin/true",
    "A script to run when the group becomes Backup.";
"notify_fault" Script, "", "/bin/true",
    "A script to run when the group can no longer take part.";
"notify_stop" Script, "", "/bin/true",
    "A script to run when the group stops.";
"notify" Script, "", "/bin/true",
    "A script to run at each of these.";
"smtp_alert" Switch, "global", "on",
    "Sends mail at the group's transitions.";
"notify_priority_changes" Switch, "off", "on",
    "Reports changes of priority on notify FIFOs.";
"sync_group_tracking_weight" Flag, "", "",
    "Lets members keep the weights of their trackers.";
"global_tracking" Flag, "", "",
    "The old name of sync_group_tracking_weight." => Foreign("sync_group_tracking_weight");
};

pub(super) const SCRIPT: &[Keyword] = keywords! { within Script;
"script" Command, "", "\"/usr/bin/true\"",
    "What to run; success means good.";
"interval" Time { min: MILLISECOND, max: DAY }, "1", "2",
    "Seconds between two runs.";
"timeout" Time { min: MILLISECOND, max: DAY }, "interval", "2",
    "Seconds a run may take.";
"weight" Weight(253), "0", "-20 reverse",
    "What it does to the priority, -253 to 253; 0: failure is a fault.";
"rise" number(1, 2_147_483_647, "successes"), "1", "2",
    "Successes in a row that make it good.";
"raise" number(1, 2_147_483_647, "successes"), "", "2",
    "A common misspelling of rise." => Foreign("rise");
"fall" number(1, 2_147_483_647, "failures"), "1", "2",
    "Failures in a row that make it bad.";
"user" Account, "script_user", "nobody",
    "Who runs it.";
"init_fail" Flag, "", "",
    "Counts as bad until it has run.";
};

pub(super) const TRACK_FILE: &[Keyword] = keywords! { within TrackFile;
"file" Text("a path"), "", "/run/maintenance",
    "The file.";
"weight" Weight(2_147_483_647), "1", "1",
    "What its number is multiplied by.";
"init_file" Words("[VALUE] [overwrite]", 0, 2), "", "0 overwrite",
    "What to write into it at start.";
};

pub(super) const TRACK_PROCESS: &[Keyword] = keywords! { within TrackProcess;
"process" Words("COMMAND [ARGUMENT ...]", 1, 64), "", "haproxy",
    "The process.";
"param_match" Choice(&["initial", "partial"]), "exact", "initial",
    "How arguments are compared.";
"weight" Weight(254), "0", "10",
    "What it does to the priority, -254 to 254.";
"quorum" number(1, 65_535, "processes"), "1", "1",
    "How many must run.";
"quorum_max" number(0, 65_535, "processes"), "", "5",
    "How many may run.";
"fork_delay" seconds(0, 3_600), "0", "1",
    "How long a new process must live to count.";
"terminate_delay" seconds(0, 3_600), "0", "1",
    "How long a lost process still counts.";
"delay" seconds(0, 3_600), "0", "1",
    "Both delays at once.";
"full_command" Flag, "", "",
    "Compares the whole command line.";
};

pub(super) const BFD: &[Keyword] = keywords! { within Bfd;
"neighbor_ip" Address, "", "192.0.2.2",
    "The other end.";
"neighbour_ip" Address, "", "192.0.2.2",
    "Another spelling of neighbor_ip." => Foreign("neighbor_ip");
"source_ip" Address, "", "192.0.2.1",
    "This end.";
"min_rx" Millis { min: 1, max: 4_294_967 }, "10", "10",
    "Shortest interval to receive at.";
"min_tx" Millis { min: 1, max: 4_294_967 }, "10", "10",
    "Shortest interval to send at.";
"idle_tx" Millis { min: 1_000, max: 4_294_967 }, "1000", "1000",
    "Interval to send at while down, a second at least (RFC 5880 §6.8.3).";
"multiplier" number(1, 255, "packets"), "5", "5",
    "Packets to miss before the session is down.";
"passive" Flag, "", "",
    "Waits for the other end to begin.";
"ttl" number(1, 255, ""), "255; multihop 64", "255",
    "TTL of what is sent.";
"hoplimit" number(1, 255, ""), "255; multihop 64", "255",
    "Hop limit of what is sent.";
"max_hops" number(0, 255, ""), "0", "0",
    "How many hops a packet may have come.";
"multihop" Flag, "", "",
    "Allows routers in between.";
"weight" Weight(253), "0", "10",
    "What it does to the priority, -253 to 253.";
"fast_takeover" Flag, "", "",
    "Its failure ends the wait for the adverts of a holder that is this neighbor.";
"fails_until_up" Flag, "", "",
    "Counts as failed until it has been up.";
"vrrp" Flag, "", "",
    "Only instances may use it.";
"checker" Flag, "", "",
    "Only IPVS checkers may use it.";
};
