#!/usr/bin/env bash
# Fails where fuzz/Cargo.lock does not have the dependencies that Cargo.toml asks for,
# and says how to mend it. Takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null; then
  echo "fuzz: fuzz/Cargo.lock is behind Cargo.toml; run: cp Cargo.lock fuzz/ && cargo metadata --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null, and commit it" >&2
  exit 1
fi
