# pushonce: `make` lists what can be done.

.DEFAULT_GOAL := help
.PHONY: help test demo fuzz lint lint-format build clean

CARGO ?= cargo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## see it work: a registry, pushonce before it, a release pushed twice (KEEP=1 keeps it running)
	scripts/install-deps.sh demo
	KEEP=$(KEEP) scripts/demo.sh

test: ## install what is missing and run all tests (as root, for docker's daemon)
	scripts/install-deps.sh test
	$(CARGO) test --locked

fuzz: ## fuzz every target for a minute, or: make fuzz SECONDS=3600 TARGET=wire
	scripts/install-deps.sh fuzz
	scripts/fuzz.sh $(or $(SECONDS),60) $(TARGET)

lint: lint-format ## format, clippy with warnings denied, shell scripts, dependencies
	scripts/install-deps.sh lint
	$(CARGO) clippy --locked --all-targets -- -D warnings
	shellcheck scripts/*.sh .ci/run
	scripts/deny.sh

lint-format: ## the format alone
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml

build: ## build the program into target/release/pushonce
	scripts/install-deps.sh build
	$(CARGO) build --locked --release

clean: ## remove what was built
	$(CARGO) clean
