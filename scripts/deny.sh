#!/usr/bin/env bash
# Checks the tree of dependencies against deny.toml; installs cargo-deny first
# where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if ! cargo deny --version >/dev/null 2>&1; then
  # Unoptimised: it is ready in a third of the time, and fast enough.
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked cargo-deny --version "$version" --profile dev
fi

# Always: least versions, licences and sources stand in deny.toml itself.
cargo deny --locked check bans licenses sources

# The database of advisories lives on a git host. Fetching it is a step of its
# own, so that "not reachable" can never be mistaken for "nothing found".
if timeout 120 cargo deny fetch db; then
  cargo deny --locked check advisories
else
  echo "WARNING: the advisory database could not be fetched: advisories were NOT checked, only the least versions in deny.toml" >&2
fi
