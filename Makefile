# Every target works on all modules of go.work. CI runs `make test`.
GO       ?= go
SHELL    := /bin/bash
MODULES   = $(shell $(GO) list -f '{{.Dir}}' -m)
FUZZTIME ?= 20s
# Other servers' benchmarks, each built with the versions that it asks for. They
# are not in go.work, so that no test downloads or compiles them.
PEERS     = bench/peers bench/peers/fosite bench/peers/gooauth2 bench/peers/zitadel
# SQLite, which is C turned into Go, is some twenty times slower under the race
# detector: its races run 3 rounds with it, and 200 without.
# The race detector needs a C compiler; examples/browser/prepare.sh installs one
# where it may.
RACE      = $(shell test "$$($(GO) env CGO_ENABLED)" = 1 && echo -race)

.PHONY: help test browser soak bench bench-peers lint fuzz cover run tidy

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

test: ## all tests, the kit's with the race detector, then the browser's
	@examples/browser/prepare.sh
	@flows/directory/entra/prepare.sh
	@examples/interop/prepare.sh
	@$(MAKE) --no-print-directory --keep-going race browser

.PHONY: race
race:
	@test -n "$(RACE)" || echo "SKIPPED: the race detector, as there is no C compiler (cgo is off)"
	@failed=; for dir in $(MODULES); do \
		echo "== $${dir#$(CURDIR)/}"; \
		race=$(RACE); case "$$dir" in */examples) race=;; esac; \
		case "$$dir" in */sqlitestore|*/bench) \
			test -z "$$race" || (cd "$$dir" && SOAK_ROUNDS=3 $(GO) test $$race -timeout 10m ./...) || failed="$$failed $$dir"; \
			race=;; \
		esac; \
		(cd "$$dir" && $(GO) test $$race -timeout 10m $$($(GO) list ./... | grep -v /examples/browser)) || failed="$$failed $$dir"; \
	done; test -z "$$failed" || { echo "FAILED:$$failed"; exit 1; }

browser: ## the browser's tests alone: Chromium and axe-core
	$(GO) test -count=1 -timeout 15m ./examples/browser/...

soak: ## the races with their full counts; without the detector, which would take hours
	@failed=; for dir in $(MODULES); do \
		case "$$dir" in */examples) continue;; esac; \
		echo "== $${dir#$(CURDIR)/}"; \
		(cd "$$dir" && SOAK_ROUNDS=10000 $(GO) test -count=1 -timeout 4h -run 'Race|Concurrent|TestStore|TestSchedules' ./...) || failed="$$failed $$dir"; \
	done; test -z "$$failed" || { echo "FAILED:$$failed"; exit 1; }

bench: ## ns/op, B/op and allocs of what must be fast, memory and SQLite
	@set -eo pipefail; for dir in $(MODULES); do \
		case "$$dir" in */examples) continue;; esac; \
		(cd "$$dir" && $(GO) test -run '^$$' -bench . -benchmem ./... | awk '!/no test files|^PASS$$|^ok /'); \
	done

bench-peers: ## the same work by this kit and its peers, as one table; 5 minutes and more
	@GOWORK=off $(GO) run -C bench/peers . $(BENCHFLAGS)

lint: ## gofmt, vet and staticcheck; staticcheck.conf has the exceptions
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
		test -z "$$bad" || { echo "gofmt would change:" $$bad; exit 1; }
	@GOWORK=off $(GO) build -C tools -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@set -e; for dir in $(MODULES); do \
		echo "== $${dir#$(CURDIR)/}"; \
		(cd "$$dir" && $(GO) vet ./... && $(CURDIR)/bin/staticcheck ./...); \
	done
	@set -e; for dir in $(PEERS); do \
		echo "== $$dir"; \
		(cd "$$dir" && GOWORK=off $(GO) vet ./... && GOWORK=off $(CURDIR)/bin/staticcheck ./...); \
	done

fuzz: ## every fuzz target for FUZZTIME (default 20s)
	@set -e; for dir in $(MODULES); do cd "$$dir"; \
		for pkg in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
			for target in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz'); do \
				echo "== $$pkg $$target"; \
				$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
			done; \
		done; \
	done

cover: ## cover.html: what the tests of all modules reach
	$(GO) test -coverprofile cover.out -coverpkg "github.com/connectid-kit/connectid/..." $(foreach dir,$(MODULES),$(filter-out %/examples/...,$(dir)/...))
	@$(GO) tool cover -func cover.out | tail -n 1
	@$(GO) tool cover -html cover.out -o cover.html

run: ## the quickstart
	$(GO) run ./examples/quickstart

tidy: ## go mod tidy and go fix in every module
	@set -e; for dir in $(MODULES); do (cd "$$dir" && $(GO) mod tidy -e && $(GO) fix ./...); done
	@set -e; for dir in $(PEERS); do (cd "$$dir" && GOWORK=off $(GO) mod tidy && GOWORK=off $(GO) fix ./...); done
	cd tools && GOWORK=off $(GO) mod tidy
