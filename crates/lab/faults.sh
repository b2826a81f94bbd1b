#!/bin/sh
# The daemon, with a fault of its own for SIGHUP: so that a judge that knows neither roles nor upgrades
# (../shared/lab/failover.py --fault reload) can be asked about them.
#
# usage: faults.sh FAULT BINARY CONF CONTROL
#   FAULT  engine, guardian, control: SIGKILL of that role; stall: SIGSTOP of the engine;
#          upgrade: a copy of the program takes over; reload: what SIGHUP is for
#
# failover.py --fault reload --cmd 'crates/lab/faults.sh upgrade target/release/mainstay {conf} {dir}/control'

fault=$1 binary=$2 conf=$3 control=$4
"$binary" run -f "$conf" --control "$control" &
daemon=$!

# Roles are children of the guardian, and so is whoever follows them.
role() {
    for pid in $(cat "/proc/$daemon/task/$daemon/children"); do
        [ "$(cat "/proc/$pid/comm")" = "ms:$1" ] && kill "-$2" "$pid"
    done
}

strike() {
    case $fault in
    engine | control) role "$fault" KILL ;;
    stall) role engine STOP ;;
    guardian) kill -KILL "$daemon" ;;
    reload) kill -HUP "$daemon" ;;
    upgrade)
        cp "$binary" "${control%/*}/new"
        "$binary" upgrade --control "$control" --binary "${control%/*}/new"
        ;;
    esac
}

trap strike HUP
trap 'kill -TERM "$daemon"' TERM
# A trap ends the waiting.
while kill -0 "$daemon" 2>/dev/null; do wait "$daemon"; done
