#!/usr/bin/env bash
# Makes a Debian package of the program, its two files, the units of systemd, manual
# pages and completions; installs cargo-deb into target/ first where it is missing.
#
#   scripts/deb.sh [PROFILE] [DIRECTORY]     release, target/debian
#
# The program is that of target/release, or of target/debug for the profile `dev`; it has
# to be there.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-release}
directory=${2:-target/debian}
built=target/$profile
[ "$profile" != dev ] || built=target/debug

version=3.8.0
if ! target/tools/bin/cargo-deb --version 2>/dev/null | grep -qwF "$version"; then
  # Unoptimised: it is ready in a third of the time, and fast enough.
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --root target/tools cargo-deb --version "$version" --profile dev
fi

# What Cargo.toml names as assets. The units are those of deploy/ without the words on
# how to install them by hand.
staged=target/staged
rm -rf "$staged"
mkdir -p "$staged/man" "$staged/units"
for unit in service socket; do
  sed -e '1,/^\[Unit\]/ { /^\[Unit\]/!d }' -e 's|/usr/local/bin/|/usr/bin/|' "deploy/pushonce.$unit" >"$staged/units/pushonce.$unit"
done
"$built"/pushonce man --directory "$staged/man"
gzip -9 -n "$staged"/man/*
for shell in bash zsh fish; do
  "$built"/pushonce completions "$shell" >"$staged/pushonce.$shell"
done
target/tools/bin/cargo-deb --no-build --profile "$profile" --output "$directory" --locked --strip
