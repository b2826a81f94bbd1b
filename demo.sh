#!/usr/bin/env bash
# Builds mainstay and shows the article's cluster: three hosts, a VIP, a master that is broken, and a
# client that is kept served. All on this machine, in namespaces that are gone afterwards.
# Arguments are those of `mainstay demo`, for example: ./demo.sh --fault all
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v cc >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
fi
cargo build --quiet --package daemon
exec ./target/debug/mainstay demo "$@"
