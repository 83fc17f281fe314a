#!/usr/bin/env bash
# Installs the browser that the tests of the console drive, where it is missing: Debian's Chromium. Needs root; asks for nothing.
set -euo pipefail

for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then exit 0; fi
done

export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine may be missing or old.
apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 || {
  apt-get update --quiet >/dev/null
  apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null
}
