#!/usr/bin/env bash
# Installs the client library of the tests from npm, where there is npm
# (examples/browser/prepare.sh installs that where it may). Without it the tests
# that need it skip, or fail when CI=true.
set -uo pipefail
cd "$(dirname "$0")/testdata/site"

if [ ! -f node_modules/openid-client/package.json ]; then
	if ! command -v npm >/dev/null; then
		echo "NOT INSTALLED: openid-client: there is no npm here" >&2
	elif ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null; then
		echo "NOT INSTALLED: openid-client: npm ci failed" >&2
	fi
fi
exit 0
