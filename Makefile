# hearth: everything a person or a machine does with this tree, by name. `make` alone lists it.
# Nothing here edits a file that is kept in version control, and no service of the system is started or enabled.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

CARGO ?= cargo
DENY = PATH="$(CURDIR)/.tools/bin:$$PATH" cargo-deny --locked
# Arguments for the demo: make demo ARGS="--exit-after 60s"
ARGS ?=
FUZZ_SECONDS ?= 600

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: demo
demo: needs-mariadb release ## a cluster with 800 simulated meters on this machine, to look at and to break
	./target/release/hearth demo $(ARGS)

.PHONY: test
test: tools check interop release smoke fuzz-short ## installs what is missing and runs everything CI runs

.PHONY: check
check: fmt clippy deny doc tests ## format, lints, licences, documentation and all tests; edits nothing

.PHONY: fmt
fmt:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: deny
deny:
	$(DENY) check licenses bans sources

.PHONY: doc
doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

.PHONY: tests
tests:
	$(CARGO) test --workspace --locked

# The tests say aloud what is not to be had, and so does the end: nobody should have to look for it.
.PHONY: interop
interop: needs-compiler ## simulated meters read by foreign masters, and a foreign slave read by us; fetches both into .tools
	bash chaos/interop/install
	$(CARGO) clippy -p chaos --features interop --test interop --locked -- -D warnings
	$(CARGO) test -p chaos --features interop --test interop --locked -- --nocapture
	@for reason in .tools/interop/missing/*; do [ ! -e "$$reason" ] || echo "not to be had: $${reason##*/}: $$(cat "$$reason")"; done

.PHONY: release
release: needs-compiler ## target/release/hearth, and the simulated meters beside it
	$(CARGO) build --release --locked -p node -p chaos

.PHONY: smoke
smoke: release ## the released programs in a short demo
	./target/release/hearth demo --exit-after 20s

.PHONY: fuzz
fuzz: needs-compiler needs-fuzz ## what must hold of any bytes, 10 minutes for each target (FUZZ_SECONDS says otherwise)
	@bash .ci/fuzz $(FUZZ_SECONDS)

.PHONY: fuzz-short
fuzz-short: needs-compiler needs-fuzz ## the same, 8 seconds for each target
	@bash .ci/fuzz 8

.PHONY: bench-decode
bench-decode: needs-compiler ## ns a telegram, from its bytes to scaled values, over the telegrams of real meters
	$(CARGO) bench --quiet --locked -p protocol --bench decode

.PHONY: bench
bench: bench-decode bench-drain bench-pool bench-steady bench-efficiency bench-search bench-failover ## every measurement, one after the other (about 50 minutes)

.PHONY: bench-drain
bench-drain: needs-mariadb release ## a backlog of 3 million rows into MariaDB beside its own LOAD DATA (about 7 minutes; ARGS="--rounds 3" for 300,000 rows)
	./target/release/chaos drain $(or $(ARGS),--rows 3000000 --meters 120000)

.PHONY: bench-pool
bench-pool: needs-mariadb release ## 6 million rows, 8 days of 7,815 meters, into a server with 128 MB of memory: the last day beside the first (about 4 minutes)
	./target/release/chaos drain --grow --rounds 16 --rows 375120 --meters 7815 --pool-mib 128

.PHONY: bench-steady
bench-steady: needs-mariadb release ## 50,000 meters read every 10 s: from the line to the committed row, memory, processors (about 12 minutes; ARGS="--mbus")
	./target/release/chaos steady --p99-ms 2000 --rss-percent 5 --carried-percent 99 $(ARGS)

.PHONY: bench-steady-short
bench-steady-short: needs-mariadb release ## the same with 5,000 meters for 20 seconds (about 1 minute)
	./target/release/chaos steady --rate 500 --seconds 20 --warm-up 12 --p99-ms 2000 --carried-percent 99 $(ARGS)

.PHONY: test-database
test-database: release ## the tests of the database and the drain on any server: make test-database URL=mysql://user:password@host:port
	HEARTH_TEST_DATABASE="$(URL)" $(CARGO) test -p node --locked mysql::
	./target/release/chaos drain --mysql "$(URL)"

.PHONY: bench-efficiency
bench-efficiency: release ## 60 meters on lines of 300, 2400 and 9600 bit/s: how much of the lines' time is used (about 11 minutes)
	./target/release/chaos efficiency

.PHONY: bench-search
bench-search: release ## a line of 2400 bit/s searched for 250 secondary addresses: probes, time, all found (about 10 minutes)
	./target/release/chaos search

.PHONY: bench-failover
bench-failover: release ## 20 kills of the leader and 20 of a follower: how long until the others go on (about 9 minutes)
	./target/release/chaos failover --runs 20

.PHONY: audit
audit: needs-deny ## known vulnerabilities of what we depend on; needs the network
	$(DENY) check advisories

.PHONY: tools
tools: needs-compiler needs-mariadb needs-galera needs-deny needs-fuzz ## installs what check and demo need: by apt, and into .tools

.PHONY: needs-compiler needs-mariadb needs-galera needs-deny needs-fuzz
needs-compiler needs-mariadb needs-galera needs-deny needs-fuzz: needs-%:
	@bash .ci/need $*
