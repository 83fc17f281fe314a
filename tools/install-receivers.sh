#!/bin/sh
# Installs, on Debian and as root, what the code on docs/receiving.md is tried with: PHP, Ruby, and Python's frameworks. Without it those
# tests are skipped by name.
set -eu
cd "$(dirname "$0")/.."
apt-get install -y --no-install-recommends php-cli ruby ruby-webrick python3-venv
python3 -m venv .cache/receivers
.cache/receivers/bin/pip install --quiet flask==3.1.2 fastapi==0.121.3 uvicorn==0.38.0
