#!/usr/bin/env bash
# How fast `pushonce adopt` and `pushonce audit` walk over a registry, beside a client that
# asks it the same and does nothing with the answers.
#
#   scripts/bench-adopt.sh [TAGS]
#
# Starts docker-registry on loopback with so many tags (10,000), in a directory of its own,
# and ends it. The client is curl with as many requests at once: a HEAD of each tag and a
# GET of what it points to, as an adoption needs them.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

tags=${1:-10000}
at_once=8
[[ "$tags" =~ ^[1-9][0-9]*$ ]] || { echo "bench-adopt: $tags is no number of tags" >&2; exit 2; }

cargo build --locked --release
pushonce=$PWD/target/release/pushonce
work=$(mktemp -d "${TMPDIR:-/tmp}/pushonce-bench-XXXXXX")
registry=
clean_up() {
  [ -z "$registry" ] || kill "$registry" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

# A port that nobody listens on.
port=15000
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
cat >"$work/config.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/data}}
http: {addr: 127.0.0.1:$port, secret: bench}
END
OTEL_TRACES_EXPORTER=none docker-registry serve "$work/config.yml" >"$work/registry.log" 2>&1 &
registry=$!
url=http://127.0.0.1:$port
for _ in {1..300}; do
  ! curl --silent --output /dev/null "$url/v2/" || break
  sleep 0.1
done

# One image, and so many tags of it: written where the registry keeps them.
put() { curl --fail --silent --show-error --output /dev/null "$@"; }
echo -n '{}' >"$work/blob"
blob=sha256:$(sha256sum <"$work/blob" | cut -d ' ' -f 1)
upload=$(curl --fail --silent --show-error --include --request POST "$url/v2/bench/web/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
put --upload-file "$work/blob" "$upload&digest=$blob"
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[]}' "$blob" >"$work/manifest"
put --upload-file "$work/manifest" --header 'Content-Type: application/vnd.oci.image.manifest.v1+json' "$url/v2/bench/web/manifests/1.0.0"
manifest=$(sha256sum <"$work/manifest" | cut -d ' ' -f 1)
kept=$work/data/docker/registry/v2/repositories/bench/web/_manifests/tags
for ((number = 1; number < tags; number++)); do cp -r "$kept/1.0.0" "$kept/1.0.$number"; done

cat >"$work/pushonce.toml" <<END
upstream.url = "$url"
ledger.url = "sqlite:ledger.db"
policy.file = "policy.toml"
END
printf '[[rule]]\nname = "releases"\ntags = ["semver:x.y.z"]\nmutability = "immutable"\n' >"$work/policy.toml"
for ((number = 0; number < tags; number++)); do
  printf 'head\nurl = "%s/v2/bench/web/manifests/1.0.%d"\noutput = /dev/null\nheader = "Accept: */*"\nnext\n' "$url" "$number"
  printf 'url = "%s/v2/bench/web/manifests/sha256:%s"\noutput = /dev/null\nheader = "Accept: */*"\nnext\n' "$url" "$manifest"
done | sed '$d' >"$work/asks"

# Seconds that the registry has computed so far.
computed() { awk -v hertz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hertz }' "/proc/$registry/stat"; }

printf '%-22s %10s %12s %16s %14s\n' what seconds 'tags a second' 'CPU of registry' 'CPU of client'
measure() {
  local what=$1 before times
  shift
  before=$(computed)
  TIMEFORMAT='%R %U %S'
  times=$({ time "$@" >"$work/said" 2>"$work/failed"; } 2>&1) || { cat "$work/said" "$work/failed" >&2; exit 1; }
  awk -v what="$what" -v times="$times" -v before="$before" -v after="$(computed)" -v tags="$tags" 'BEGIN {
    split(times, t, " ")
    printf "%-22s %10.1f %12.0f %15.1fs %13.1fs\n", what, t[1], tags / t[1], after - before, t[2] + t[3]
  }'
}
ask() { curl --silent --parallel --parallel-max "$at_once" --config "$work/asks"; }
measure 'curl: HEAD and GET' ask
measure 'pushonce adopt' "$pushonce" adopt --concurrency "$at_once" --config "$work/pushonce.toml"
cat "$work/said"
measure 'adopt, all known' "$pushonce" adopt --concurrency "$at_once" --config "$work/pushonce.toml"
measure 'pushonce audit' "$pushonce" audit --concurrency "$at_once" --config "$work/pushonce.toml"
cat "$work/said"
