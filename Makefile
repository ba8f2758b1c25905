# pushonce: `make` lists what can be done.

.DEFAULT_GOAL := help
.PHONY: help test soak bench bench-ledger bench-log bench-adopt bench-micro instructions schemas demo deb try-image fuzz lint lint-format lint-shell hooks build clean

CARGO ?= cargo

# What is measured is the release. cargo puts the program of its own bench profile in the
# release's place, so it is taken aside.
released = $(CARGO) build --locked --release && install -D target/release/pushonce target/released/pushonce

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## see it work: a registry, pushonce before it, a release pushed twice (KEEP=1 keeps it running)
	scripts/install-deps.sh demo
	KEEP=$(KEEP) scripts/demo.sh

test: ## install what is missing and run all tests (as root, for docker's daemon)
	scripts/install-deps.sh test
	$(CARGO) test --locked

soak: ## the long runs: every state of the model, ten thousand simulated seeds, ten minutes under load
	scripts/install-deps.sh test
	$(released)
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) bench --locked --bench peers -- soak
	SOAK=1 $(CARGO) test --locked --test model everything_at_once -- --nocapture
	SIMULATION_SEEDS=$(or $(SEEDS),10000) $(CARGO) test --locked --lib simulation -- --nocapture
	REPLICAS_SEEDS=$(or $(RUNS),100) $(CARGO) test --locked --test it replicas -- --nocapture

bench: ## pushonce beside nginx, haproxy and Envoy, into docs/PERFORMANCE.md (as root), or: make bench ROUNDS=1 ROWS="blob GET"
	scripts/install-deps.sh bench
	$(released)
	ROUNDS=$(ROUNDS) ROWS="$(ROWS)" TAGS=$(TAGS) $(CARGO) bench --locked --bench peers

bench-ledger: ## how much the ledger does in a second, and with ten million tags, or: make bench-ledger TAGS=100000
	scripts/install-deps.sh test
	TAGS=$(TAGS) $(CARGO) bench --locked --bench ledger

bench-log: ## how long questions to a log of ten million events take, or: make bench-log EVENTS=100000
	scripts/install-deps.sh build
	EVENTS=$(EVENTS) $(CARGO) bench --locked --bench log

bench-adopt: ## how fast 10,000 tags of a registry are adopted and audited, or: make bench-adopt TAGS=1000
	scripts/install-deps.sh test
	scripts/bench-adopt.sh $(TAGS)

schemas: ## write the JSON Schemas of the configuration, for editors, anew from the types
	$(CARGO) test --locked --lib write_the_schemas -- --ignored

bench-micro: ## how long classify, decide, render, refuse and a lookup take, with 1 to 10,000 rules
	scripts/install-deps.sh build
	$(CARGO) bench --locked --bench micro

instructions: ## the same in instructions, compared with the table beside it; UPDATE=1 writes the table
	scripts/install-deps.sh instructions
	CARGO=$(CARGO) scripts/instructions.sh $(if $(UPDATE),--update)

fuzz: ## fuzz every target for a minute, or: make fuzz SECONDS=3600 TARGET=wire
	scripts/install-deps.sh fuzz
	scripts/fuzz.sh $(or $(SECONDS),60) $(TARGET)

lint: lint-format ## format, clippy with warnings denied, shell scripts, dependencies
	scripts/install-deps.sh lint
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(MAKE) --no-print-directory lint-shell
	scripts/deny.sh

lint-format: ## the format alone
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml

lint-shell: ## the shell scripts alone
	shellcheck scripts/*.sh scripts/hooks/* .ci/run

hooks: ## have git check what takes seconds before each commit
	install scripts/hooks/pre-commit "$$(git rev-parse --git-path hooks)/pre-commit"

build: ## build the program into target/release/pushonce
	scripts/install-deps.sh build
	$(CARGO) build --locked --release

deb: build ## build the program and a Debian package of it
	scripts/deb.sh

try-image: ## build the image of the Dockerfile without any registry, and push a release through it (as root)
	scripts/install-deps.sh test image
	$(CARGO) fetch --locked
	directory=$$(mktemp -d) && scripts/try-image.sh "$$directory" && rm -rf "$$directory"

clean: ## remove what was built
	$(CARGO) clean
