#!/usr/bin/env bash
# Installs what the tests use and the machine lacks: a C compiler for the race
# detector, Chromium for the browser tests, axe-core (from npm) for their
# accessibility checks. It only installs as root with apt-get, and says what it
# left out and why; the tests that need it then skip, or fail when CI=true.
set -uo pipefail
cd "$(dirname "$0")"

missing=()
command -v cc >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
[ -d node_modules/axe-core ] || command -v npm >/dev/null || missing+=(npm)

if [ ${#missing[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		echo "NOT INSTALLED: ${missing[*]}: there is no apt-get here; install them by hand" >&2
	elif [ "$(id -u)" != 0 ]; then
		echo "NOT INSTALLED: ${missing[*]}: not root; run: sudo apt-get install ${missing[*]}" >&2
	else
		echo "installing ${missing[*]}"
		log=$(mktemp)
		if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
			tail -n 5 "$log" >&2
			echo "NOT INSTALLED: ${missing[*]}: apt-get failed" >&2
		fi
		rm -f "$log"
	fi
fi

if [ ! -f node_modules/axe-core/axe.min.js ]; then
	if ! command -v npm >/dev/null; then
		echo "NOT INSTALLED: axe-core: there is no npm here" >&2
	elif ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null; then
		echo "NOT INSTALLED: axe-core: npm ci failed" >&2
	fi
fi
exit 0
