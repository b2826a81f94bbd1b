#!/usr/bin/env bash
# Builds mainstay and shows the article's cluster: three hosts, a VIP, a master that is broken, and a
# client that is kept served. All on this machine, in namespaces that are gone afterwards.
# Arguments are those of `mainstay demo`, for example: ./demo.sh --fault all, or a cluster by quorum with
# fencing and a web server behind the VIP: ./demo.sh --cluster
set -euo pipefail
cd "$(dirname "$0")"
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
case " $* " in *" --cluster "*)
    [ -x /usr/sbin/nft ] || missing+=(nftables)
    [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
    [ -e /usr/lib/ocf/resource.d/heartbeat/nginx ] || missing+=(resource-agents)
    ;;
esac
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # No service is to be started on this machine; what is shown runs in namespaces.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        ours=yes
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    [ -z "${ours:-}" ] || rm -f /usr/sbin/policy-rc.d
fi
cargo build --quiet --package daemon
exec ./target/debug/mainstay demo "$@"
