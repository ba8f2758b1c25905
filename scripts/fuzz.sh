#!/usr/bin/env bash
# Fuzzes every target, two at a time, or one; see docs/FUZZING.md.
#
#   scripts/fuzz.sh [SECONDS [TARGET]]
#
# Each target runs SECONDS (60 where nothing is said). What it learns is kept in
# target/fuzz/corpus/ for the next run; fuzz/corpus/ is only read. Prints one line
# for each target, and fails with the path of the input where one broke its promise.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
only=${2:-}
# Beyond SECONDS, for a target to read its corpus and to come to its end.
patience=60

targets=()
for source in fuzz/fuzz_targets/*.rs; do
  targets+=("$(basename "$source" .rs)")
done
if [ -n "$only" ]; then
  [[ " ${targets[*]} " == *" $only "* ]] || { echo "fuzz: no target is called $only; there are: ${targets[*]}" >&2; exit 2; }
  targets=("$only")
fi
[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $seconds is no number of seconds" >&2; exit 2; }

scripts/lock-fuzz.sh
# Not by cargo-fuzz, which would build every dependency once more, instrumented: that
# takes longer than the fuzzing.
RUSTC_WRAPPER=$PWD/scripts/instrument.sh cargo build --locked --manifest-path fuzz/Cargo.toml --target-dir target \
  "${targets[@]/#/--bin=}"
built=target/debug

logs=target/fuzz/logs
mkdir -p "$logs"

# One target to its end; its last words are the summary.
fuzz() {
  local target=$1 log="$logs/$1.log" learnt="target/fuzz/corpus/$1" artifacts="fuzz/artifacts/$1"
  mkdir -p "$learnt" "$artifacts"
  local status=0 input runs coverage
  # An input that takes longer than this, or more memory, is a bug too.
  timeout --kill-after=10 $((seconds + patience)) "$built/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -dict="fuzz/dictionaries/$target.dict" -artifact_prefix="$artifacts/" "$learnt" "fuzz/corpus/$target" >"$log" 2>&1 ||
    status=$?
  if [ "$status" != 0 ]; then
    input=$(sed -n 's/^.*Test unit written to //p' "$log" | tail -n 1)
    grep -m 1 -A 3 'panicked at' "$log" || tail -n 20 "$log"
    printf 'FAILED %-15s %s\n' "$target" "${input:-without an input; see $log}"
    return 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -n 1)
  printf 'ok     %-15s %9s runs in %s s, %s\n' "$target" "$runs" "$seconds" "$coverage"
}

lane() {
  local target failed=0
  for target in "$@"; do
    fuzz "$target" || failed=1
  done
  return "$failed"
}

# What runs in the background of a script does not hear Ctrl-C by itself.
trap 'trap - INT; kill 0' INT
half=$(((${#targets[@]} + 1) / 2))
lane "${targets[@]:0:half}" &
first=$!
lane "${targets[@]:half}" &
second=$!
failed=0
wait "$first" || failed=1
wait "$second" || failed=1
exit "$failed"
