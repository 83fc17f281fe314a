#!/usr/bin/env bash
# Fetches the Prometheus that the tests of the alerts use into .cache/prometheus, where none is installed: Debian's, without installing it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if { command -v prometheus && command -v promtool; } >/dev/null || [ -x .cache/prometheus/usr/bin/promtool ]; then exit 0; fi

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
chmod 755 "$directory" # apt fetches as a user of its own
fetch() { (cd "$directory" && apt-get download prometheus >/dev/null 2>&1); }
# The lists of a fresh machine may be missing or old.
fetch || { apt-get update --quiet >/dev/null && fetch; }
mkdir -p .cache/prometheus
dpkg -x "$directory"/prometheus_*.deb .cache/prometheus
