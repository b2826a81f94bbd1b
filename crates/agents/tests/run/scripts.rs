//! Init scripts, and `service`, which is whichever there is.

use cluster::operation::OpStatus;

use crate::bench::{Bench, Directory, settings};

#[test]
fn an_init_script_is_asked_in_its_words_and_understood() {
    let directory = Directory::new();
    let text = format!(
        "#!/bin/sh\nS={}/up\ncase $1 in start) touch $S;; stop) [ -e $S ] || exit 7; rm $S;; \
         status) [ -e $S ] || exit 3;; *) exit 3;; esac\n",
        directory.path().display()
    );
    directory.program("init.d/thing", &text);
    let mut bench = Bench::new(settings(&directory));
    for agent in ["lsb:thing", "service:thing"] {
        let told: Vec<i32> = ["monitor", "start", "monitor", "stop", "stop", "monitor"]
            .iter()
            .map(|operation| bench.rc(agent, operation, &[]))
            .collect();
        assert_eq!(told, [7, 0, 0, 0, 0, 7], "{agent}");
    }
    let done = bench.act("lsb:thing", "promote", &[]);
    assert_eq!((done.rc, done.status), (3, OpStatus::NotSupported));
    assert_eq!(bench.act("lsb:other", "start", &[]).status, OpStatus::NotInstalled);
}
