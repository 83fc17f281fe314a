#!/bin/sh
# Installs into .cache/clients what `npm run test:clients` judges the OpenAPI and AsyncAPI documents with, at these versions: linters and
# generators of clients of npm and pip, schemathesis, and, where Java and Maven are, a generator for Go. About 300 MB; nothing is done when it is there.
set -eu
cd "$(dirname "$0")/.."
place=.cache/clients
mkdir -p "$place/npm"
[ -f "$place/npm/package.json" ] || echo '{"private":true,"type":"module"}' >"$place/npm/package.json"
npm install --prefix "$place/npm" --save-exact --no-audit --no-fund --loglevel=error --prefer-offline \
  @redocly/cli@2.77.0 @stoplight/spectral-cli@6.16.3 openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3
[ -x "$place/python/bin/python" ] || python3 -m venv "$place/python"
"$place/python/bin/pip" install --quiet --disable-pip-version-check openapi-python-client==0.29.1 schemathesis==4.32.5
if command -v mvn >/dev/null && command -v go >/dev/null && [ ! -f "$place/openapi-generator-cli-7.14.0.jar" ]; then
  mvn -q -B dependency:copy -Dartifact=org.openapitools:openapi-generator-cli:7.14.0 -DoutputDirectory="$PWD/$place"
fi
