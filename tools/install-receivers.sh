#!/bin/sh
# Installs, on Debian and as root, what the code on docs/receiving.md is tried with: PHP, Ruby, Python's frameworks, and with Maven, where that is,
# Java's. Without it those tests are skipped by name.
set -eu
cd "$(dirname "$0")/.."
apt-get install -y --no-install-recommends php-cli ruby ruby-webrick python3-venv
python3 -m venv .cache/receivers
.cache/receivers/bin/pip install --quiet flask==3.1.2 fastapi==0.121.3 uvicorn==0.38.0
if command -v mvn >/dev/null && [ ! -d .cache/spring ]; then
  rm -rf .cache/spring.part
  mvn -q -B -f tools/spring/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$PWD/.cache/spring.part"
  mv .cache/spring.part .cache/spring
fi
