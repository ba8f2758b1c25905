#!/usr/bin/env bash
# Counts the instructions of each operation of benches/micro under valgrind, and compares
# them with benches/micro/instructions.txt: fails where one takes over 10 % more. The table
# is that of x86_64 with AVX2 and of Debian bookworm, whose libc is a part of what is counted.
#
#   scripts/instructions.sh             compares
#   scripts/instructions.sh --update    writes the table
set -euo pipefail
cd "$(dirname "$0")/.."

table=benches/micro/instructions.txt
most=10
machine=$(uname -m)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ "$machine" != x86_64 ] && [ "${1:-}" != --update ]; then
  echo "instructions: the table is that of x86_64; nothing is compared on $machine"
  exit 0
fi

# What is ours is optimised as in a release. The dependencies are those that the tests have
# built, which saves minutes: what they take is a part of the counts that seldom changes.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_OPT_LEVEL=3 CARGO_PROFILE_DEV_DEBUG=0
"${CARGO:-cargo}" build --locked --bench micro --message-format=json-render-diagnostics >"$scratch/build"
bench=$(sed -n 's/.*"name":"micro".*"executable":"\([^"]*\)".*/\1/p' "$scratch/build" | tail -n 1)

# Counts only inside `measured`, and writes a file each time that it returns. What the
# environment holds shifts the stack, and with it how some copies are made, so it is small
# and the same everywhere. Nor may a callgrind_control of somebody else reach this run.
env -i LC_ALL=C valgrind --vgdb=no --tool=callgrind --callgrind-out-file="$scratch/counted" \
  --toggle-collect=micro::measured --dump-after=micro::measured \
  "$bench" --count >"$scratch/names" 2>"$scratch/valgrind" || {
  cat "$scratch/valgrind" >&2
  exit 1
}

# The runs of an operation and its name, one line for each file in their order.
number=0
while read -r runs name; do
  number=$((number + 1))
  total=$(awk '$1 == "totals:" { print $2 }' "$scratch/counted.$number") || total=0
  if [ "${total:-0}" = 0 ]; then
    echo "instructions: valgrind counted nothing of $name; does it still run inside micro::measured?" >&2
    exit 1
  fi
  echo "$name $((total / runs))"
done <"$scratch/names" >"$scratch/now"

if [ "${1:-}" = --update ]; then
  {
    echo "# Instructions of one run of each operation, on x86_64, counted by callgrind."
    echo "# make instructions compares with this; make instructions UPDATE=1 writes it."
    cat "$scratch/now"
  } >"$table"
  echo "instructions: wrote $table"
  exit 0
fi

awk -v most="$most" '
  /^#/ { next }
  NR == FNR { before[$1] = $2; next }
  {
    if (!($1 in before)) { print $1 ": not in the table"; bad++; next }
    ratio = $2 / before[$1]
    line = sprintf("%s: %d before, %d now, x %.3f", $1, before[$1], $2, ratio)
    if (ratio > 1 + most / 100) { print line ": GREW by more than " most " %"; bad++ }
    else if (ratio < 1 - most / 100) { print line ": shrank by more than " most " %; write that down"; better++ }
    delete before[$1]
  }
  END {
    for (name in before) { print name ": in the table, but not counted"; bad++ }
    if (bad) print "instructions: look for the cause, or, where it is worth it: make instructions UPDATE=1"
    else if (better) print "instructions: none grew; make instructions UPDATE=1 keeps it so"
    else print "instructions: none differs by more than " most " %"
    exit bad > 0
  }' "$table" "$scratch/now"
