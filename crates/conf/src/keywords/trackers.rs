//! The keywords of sync groups and of the blocks that define trackers. None is in force yet.

use super::Shape::{Address, Choice, Flag, Free, Lines as Rows, Script, Switch, Text};
use super::Status::{Foreign, NotInForce};
use super::{Keyword, Lines, Shape, keywords, number, seconds};

const GROUPS: &str = "sync groups are not done yet";
const SCRIPTS: &str = "scripts as trackers are not done yet";
const FILES: &str = "files as trackers are not done yet";
const PROCESSES: &str = "processes as trackers are not done yet";
const SESSIONS: &str = "BFD is not done yet";

/// `weight N [reverse]`
const WEIGHT: Shape = Free("NUMBER [reverse]");

pub(super) const SYNC_GROUP: &[Keyword] = keywords! { within SyncGroup;
"group" Rows(Lines::Free("the name of a vrrp_instance")), "", "{\n VI_1\n VI_2\n}",
    "The instances." => NotInForce(GROUPS);
"track_interface" Rows(Lines::Interfaces), "", "{\n eth1\n}",
    "Interfaces every member tracks." => NotInForce(GROUPS);
"track_script" Rows(Lines::Free("the name of a vrrp_script")), "", "{\n chk\n}",
    "Scripts every member tracks." => NotInForce(GROUPS);
"track_file" Rows(Lines::Free("the name of a track_file")), "", "{\n f\n}",
    "Files every member tracks." => NotInForce(GROUPS);
"track_process" Rows(Lines::Free("the name of a vrrp_track_process")), "", "{\n p\n}",
    "Processes every member tracks." => NotInForce(GROUPS);
"track_bfd" Rows(Lines::Free("the name of a bfd_instance")), "", "{\n b\n}",
    "BFD sessions every member tracks." => NotInForce(GROUPS);
"notify_master" Script, "", "/bin/true",
    "A script to run when the group becomes Active." => NotInForce(GROUPS);
"notify_backup" Script, "", "/bin/true",
    "A script to run when the group becomes Backup." => NotInForce(GROUPS);
"notify_fault" Script, "", "/bin/true",
    "A script to run when the group can no longer take part." => NotInForce(GROUPS);
"notify_stop" Script, "", "/bin/true",
    "A script to run when the group stops." => NotInForce(GROUPS);
"notify" Script, "", "/bin/true",
    "A script to run at each of these." => NotInForce(GROUPS);
"smtp_alert" Switch, "global", "on",
    "Sends mail at the group's transitions." => NotInForce(GROUPS);
"notify_priority_changes" Switch, "off", "on",
    "Reports changes of priority on notify FIFOs." => NotInForce(GROUPS);
"sync_group_tracking_weight" Flag, "", "",
    "Lets members keep the weights of their trackers." => NotInForce(GROUPS);
"global_tracking" Flag, "", "",
    "The old name of sync_group_tracking_weight." => Foreign("sync_group_tracking_weight");
};

pub(super) const SCRIPT: &[Keyword] = keywords! { within Script;
"script" Text("a script with its arguments"), "", "\"/usr/bin/true\"",
    "What to run; success means good." => NotInForce(SCRIPTS);
"interval" seconds(1, 86_400), "1", "2",
    "Seconds between two runs." => NotInForce(SCRIPTS);
"timeout" seconds(1, 86_400), "interval", "2",
    "Seconds a run may take." => NotInForce(SCRIPTS);
"weight" WEIGHT, "0", "-20 reverse",
    "What it does to the priority, -253 to 253; 0: failure is a fault." => NotInForce(SCRIPTS);
"rise" number(1, 2_147_483_647, "successes"), "1", "2",
    "Successes in a row that make it good." => NotInForce(SCRIPTS);
"raise" number(1, 2_147_483_647, "successes"), "", "2",
    "A common misspelling of rise." => Foreign("rise");
"fall" number(1, 2_147_483_647, "failures"), "1", "2",
    "Failures in a row that make it bad." => NotInForce(SCRIPTS);
"user" Free("USER [GROUP]"), "script_user", "nobody",
    "Who runs it." => NotInForce(SCRIPTS);
"init_fail" Flag, "", "",
    "Counts as bad until it has run." => NotInForce(SCRIPTS);
};

pub(super) const TRACK_FILE: &[Keyword] = keywords! { within TrackFile;
"file" Text("a path"), "", "/run/maintenance",
    "The file." => NotInForce(FILES);
"weight" WEIGHT, "1", "1",
    "What its number is multiplied by, -254 to 254." => NotInForce(FILES);
"init_file" Free("[VALUE] [overwrite]"), "", "0 overwrite",
    "What to write into it at start." => NotInForce(FILES);
};

pub(super) const TRACK_PROCESS: &[Keyword] = keywords! { within TrackProcess;
"process" Free("COMMAND [ARGUMENT ...]"), "", "haproxy",
    "The process." => NotInForce(PROCESSES);
"param_match" Choice(&["initial", "partial"]), "exact", "initial",
    "How arguments are compared." => NotInForce(PROCESSES);
"weight" WEIGHT, "0", "10",
    "What it does to the priority, -254 to 254." => NotInForce(PROCESSES);
"quorum" number(1, 65_535, "processes"), "1", "1",
    "How many must run." => NotInForce(PROCESSES);
"quorum_max" number(0, 65_535, "processes"), "", "5",
    "How many may run." => NotInForce(PROCESSES);
"fork_delay" seconds(0, 3_600), "0", "1",
    "How long a new process must live to count." => NotInForce(PROCESSES);
"terminate_delay" seconds(0, 3_600), "0", "1",
    "How long a lost process still counts." => NotInForce(PROCESSES);
"delay" seconds(0, 3_600), "0", "1",
    "Both delays at once." => NotInForce(PROCESSES);
"full_command" Flag, "", "",
    "Compares the whole command line." => NotInForce(PROCESSES);
};

pub(super) const BFD: &[Keyword] = keywords! { within Bfd;
"neighbor_ip" Address, "", "192.0.2.2",
    "The other end." => NotInForce(SESSIONS);
"neighbour_ip" Address, "", "192.0.2.2",
    "Another spelling of neighbor_ip." => Foreign("neighbor_ip");
"source_ip" Address, "", "192.0.2.1",
    "This end." => NotInForce(SESSIONS);
"min_rx" number(1, 4_294_967, "milliseconds"), "10", "10",
    "Shortest interval to receive at." => NotInForce(SESSIONS);
"min_tx" number(1, 4_294_967, "milliseconds"), "10", "10",
    "Shortest interval to send at." => NotInForce(SESSIONS);
"idle_tx" number(1_000, 4_294_967, "milliseconds"), "1000", "1000",
    "Interval to send at while down." => NotInForce(SESSIONS);
"multiplier" number(1, 255, "packets"), "5", "5",
    "Packets to miss before the session is down." => NotInForce(SESSIONS);
"passive" Flag, "", "",
    "Waits for the other end to begin." => NotInForce(SESSIONS);
"ttl" number(1, 255, ""), "255; multihop 64", "255",
    "TTL of what is sent." => NotInForce(SESSIONS);
"hoplimit" number(1, 255, ""), "255; multihop 64", "255",
    "Hop limit of what is sent." => NotInForce(SESSIONS);
"max_hops" number(-1, 255, ""), "0", "0",
    "How many hops a packet may have come." => NotInForce(SESSIONS);
"multihop" Flag, "", "",
    "Allows routers in between." => NotInForce(SESSIONS);
"weight" WEIGHT, "0", "10",
    "What it does to the priority, -253 to 253." => NotInForce(SESSIONS);
"vrrp" Flag, "", "",
    "Only instances may use it." => NotInForce(SESSIONS);
"checker" Flag, "", "",
    "Only IPVS checkers may use it." => NotInForce(SESSIONS);
};
