#!/usr/bin/env bash
# Compiles as rustc does, and lets libFuzzer watch the code of pushonce and of its
# fuzz targets. scripts/fuzz.sh makes it cargo's RUSTC_WRAPPER, so that the
# dependencies are the ones that the tests use and are not built again.
#
#   scripts/instrument.sh RUSTC ARGUMENT...
set -euo pipefail

arguments=("$@")
name=
source=
for at in "${!arguments[@]}"; do
  case "${arguments[at]}" in
    --crate-name) name=${arguments[at + 1]} ;;
    */fuzz_targets/*.rs | fuzz_targets/*.rs) source=target ;;
  esac
done

if [ "$name" = pushonce ] || [ "$source" = target ]; then
  # What cargo-fuzz passes: the counters of libFuzzer for each edge and comparison.
  arguments+=(-Cpasses=sancov-module -Ccodegen-units=1 --cfg fuzzing)
  for option in level=4 inline-8bit-counters pc-table trace-compares; do
    arguments+=("-Cllvm-args=-sanitizer-coverage-$option")
  done
fi
exec "${arguments[@]}"
