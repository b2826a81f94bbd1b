#!/bin/sh
# A daemon with a fault of its own for SIGHUP: so that a judge that knows few faults
# (../shared/lab/failover.py --fault reload) can be asked about any. `cargo xtask bench faults` plays them all.
#
# usage: faults.sh FAULT BINARY CONF CONTROL
#   BINARY  mainstay or keepalived; of keepalived the engine is its VRRP child, the guardian its parent
#   FAULT   engine, guardian, control, runner: SIGKILL of that role; engines: of the engine, 20 times in 3 s
#           stall: SIGSTOP of the engine; kill9, hang: SIGKILL, SIGSTOP of all; nap-S: SIGSTOP of all for S seconds
#           address, ruleset, table: the VIP, all of nftables, the table of leases is deleted
#           link, device: eth0 goes down for 0.2 s; is deleted and made again 0.5 s later
#           forged, zero, garbage: somebody else sends one advert of 254 and 4095 cs; 1,000 a second that
#           say interval 0, 10,000 a second that are spoiled, for 4 s
#           upgrade: a copy of the program takes over; reload: what SIGHUP is for
#   environment: JUDGE, the path of vip_probe.py: arpwatch looks on from 0.3 s before the fault;
#           FORGE, the path of the forger (cargo build --release -p daemon --example forge)
# What a judge cannot see goes to the file `note` beside the control socket, arpwatch's verdict to `arp.json`.
#
# failover.py --fault reload --cmd 'crates/lab/faults.sh upgrade target/release/mainstay {conf} {dir}/control'

fault=$1 binary=$2 conf=$3 control=$4
dir=${control%/*}

# Scripts are configured outside of instances, which is where the judge lets nobody write.
[ "$fault" = runner ] && printf 'vrrp_script alive {\n  script /bin/true\n  interval 1\n}\n' >>"$conf"

case $binary in
*keepalived) "$binary" -n -l -D -P -p "$dir/pid" -r "$dir/vrrp.pid" -f "$conf" & ;;
*) "$binary" run -f "$conf" --control "$control" & ;;
esac
daemon=$!

children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }

all() {
    for pid in $1 $(children "$1"); do
        echo "$pid"
        [ "$pid" = "$1" ] || children "$pid"
    done
}

# Roles are children of the guardian, and so is whoever follows them.
role() {
    for pid in $(children "$daemon"); do
        case $(cat "/proc/$pid/comm") in
        "ms:$1") echo "$pid" ;;
        keepalived*) [ "$1" = engine ] && echo "$pid" ;;
        esac
    done
}

strike() { kill "-$1" $2 || echo "nobody for $fault" >>"$dir/note"; }

# The judge sees other namespaces; we are in a file system of our own.
outside() { nsenter --mount="/proc/$PPID/ns/mnt" "$@"; }

used() { cut -d' ' -f14,15 "/proc/$1/stat" | tr ' ' '+'; }

flood() {
    engine=$(role engine) before=$(($(used "$engine")))
    outside ip netns exec "$lab-client" "$FORGE" eth0 "$1" "$2" 4
    after=$(($(used "$engine")))
    # Ticks are hundredths of a second.
    echo "engine $(((after - before) / 4)) % of a core" >>"$dir/note"
}

befall() {
    lab=$(outside ip netns identify "$daemon")
    lab=${lab%-*}
    if [ -n "$JUDGE" ]; then
        outside python3 "$JUDGE" arpwatch --netns "$lab-witness" --dev eth0 --vip 193.168.0.6 \
            --interval-ms 10 --json "$dir/arp.json" --quiet &
        sleep 0.3
    fi
    case $fault in
    engine | control | runner) strike KILL "$(role "$fault")" ;;
    engines)
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            # There is not always one to kill.
            kill -KILL $(role engine) 2>/dev/null
            sleep 0.15
        done
        ;;
    stall) strike STOP "$(role engine)" ;;
    guardian) strike KILL "$daemon" ;;
    kill9) strike KILL "$(all "$daemon")" ;;
    hang) strike STOP "$(all "$daemon")" ;;
    nap-*)
        those=$(all "$daemon")
        strike STOP "$those"
        sleep "${fault#nap-}"
        strike CONT "$those"
        ;;
    address) ip addr del 193.168.0.6/16 dev eth0 ;;
    ruleset | table)
        tables=$(nft list tables)
        case $fault in
        ruleset) nft flush ruleset ;;
        table) echo "$tables" | while read -r table; do nft delete "$table" 2>/dev/null; done ;;
        esac
        sleep 0.1
        [ "$(nft list tables)" = "$tables" ] && echo "tables are there 0.1 s later" >>"$dir/note" ||
            echo "tables are gone" >>"$dir/note"
        ;;
    link)
        ip link set eth0 down
        sleep 0.2
        ip link set eth0 up
        ;;
    device)
        ip link delete eth0
        sleep 0.5
        outside ip -n "$lab-sw" link add pn1 type veth peer name eth0 netns "$lab-n1"
        outside ip -n "$lab-sw" link set pn1 master br0 up
        ip addr add 193.168.0.2/16 dev eth0
        ip link set eth0 up
        ;;
    forged) outside ip netns exec "$lab-client" "$FORGE" eth0 forged 1 1 ;;
    zero) flood zero 1000 ;;
    garbage) flood garbage 10000 ;;
    reload) strike HUP "$daemon" ;;
    upgrade)
        cp "$binary" "$dir/new"
        "$binary" upgrade --control "$control" --binary "$dir/new"
        ;;
    esac
    # Or whoever looks on would be nobody's child, and not be told of the end.
    wait
}

# Beside the waiting, so that the end is heard in the midst of it.
trap 'befall &' HUP
trap 'kill -TERM "$daemon"' TERM
# A trap ends the waiting.
while kill -0 "$daemon" 2>/dev/null; do wait "$daemon"; done
# Of whoever looks on.
wait
