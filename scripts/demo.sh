#!/usr/bin/env bash
# Shows what pushonce does, on this machine, in a minute: a registry, pushonce in
# front of it, a release that is pushed once, and the second try refused.
# KEEP=1 keeps everything running afterwards. Exits non-zero if anything
# behaves otherwise than it says.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

work=$(mktemp -d "${TMPDIR:-/tmp}/pushonce-demo-XXXXXX")
started=()

# The last started ends first. Only processes of this script are touched.
clean_up() {
  local i
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill "${started[i]}" 2>/dev/null || true
    wait "${started[i]}" 2>/dev/null || true
  done
  # What a docker daemon may still have mounted under its directory.
  awk -v dir="$work/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | xargs -r -n 1 umount --lazy || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
# Shows a command as a person would type it, then runs it.
run() {
  printf '%s   $ %s%s\n' "$dim" "$*" "$plain"
  "$@" 2>&1 | sed 's/^/     /'
}
fail() {
  printf '\nThe demo FAILED: %s\n' "$*" >&2
  for log in "$work"/*.log; do
    printf '%s\n' "---- last lines of $(basename "$log")" >&2
    tail -n 15 "$log" >&2
  done
  exit 1
}

# Asks again for up to 30 seconds, or until the last started program has ended.
until_true() {
  local what=$1
  shift
  for _ in {1..300}; do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "${started[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  fail "$what"
}

# A port that nobody listens on, from $1 upwards.
free_port() {
  local port=$1
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

answers_200() {
  local line
  exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&9
  read -r -t 5 line <&9 || line=''
  exec 9>&-
  [[ $line == *' 200 '* ]]
}

digest() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1" 2>/dev/null || echo none; }
table() {
  local tag
  for tag in "$@"; do printf '     %-12s %s\n' "$tag" "$(digest "$image:$tag")"; done
}

title "Building pushonce (the first time takes a few minutes)"
# Not optimised: it is ready sooner, and shares what `make test` builds.
cargo build --locked --quiet
pushonce=${CARGO_TARGET_DIR:-target}/debug/pushonce

title "Starting a registry, and pushonce in front of it"
cat >"$work/registry.yml" <<EOF
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:0"}
EOF
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
started+=($!)
until_true "the registry does not start" grep -q 'listening on' "$work/registry.log"
registry=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$work/registry.log" | head -n 1)

port=$(free_port 5000)
admin=$(free_port 9090)
cat >"$work/policy.toml" <<'EOF'
default = "mutable"

[[rule]]
name = "releases"
tags = ["semver:x.y.z", "semver:x.y.z-*"]
mutability = "immutable"

[[rule]]
name = "builds"
tags = ["git-*"]
mutability = "immutable"

[[rule]]
name = "shortcuts"
tags = ["latest", "semver:x.y", "semver:x"]
mutability = "mutable"
EOF
cat >"$work/pushonce.toml" <<EOF
listen = "127.0.0.1:$port"
[upstream]
url = "http://$registry"
[ledger]
url = "sqlite:$work/ledger.db"
[admin]
listen = "127.0.0.1:$admin"
[policy]
file = "policy.toml"
EOF
"$pushonce" serve --config "$work/pushonce.toml" >"$work/pushonce.log" 2>&1 &
started+=($!)
until_true "pushonce does not become ready" answers_200 "$admin" /readyz
image=127.0.0.1:$port/driftwood/web
behind=$registry/driftwood/web
say "clients -> pushonce on 127.0.0.1:$port -> registry on $registry"
say "the policy:"
sed 's/^/     /' "$work/policy.toml"

if [ "$(id -u)" = 0 ]; then
  # shellcheck source=scripts/demo-docker.sh
  . scripts/demo-docker.sh
else
  say "docker's daemon needs root; you are not root, so skopeo pushes instead."
  # shellcheck source=scripts/demo-skopeo.sh
  . scripts/demo-skopeo.sh
fi
start_client

title "Release 1.4.0: one image, four tags"
build 'release 1.4.0'
first_push 1.4.0 1.4 latest git-9f3c2a1 || fail "the first push did not pass"
table 1.4.0 1.4 latest git-9f3c2a1
released=$(digest "$image:1.4.0")
[ "$released" != none ] || fail "1.4.0 is not there"
for tag in 1.4 latest git-9f3c2a1; do
  [ "$(digest "$image:$tag")" = "$released" ] || fail "$tag is not the released image"
done

title "The same push again: a retried pipeline passes"
push_again 1.4.0 || fail "an identical push was refused"

title "A hotfix under the old name: refused"
build 'release 1.4.0 with a quiet fix'
if push 1.4.0 | tee "$work/refused"; then
  fail "a changed 1.4.0 was pushed"
fi
grep -q "tag driftwood/web:1.4.0 is immutable" "$work/refused" || fail "the refusal does not say why"
[ "$(digest "$behind:1.4.0")" = "$released" ] || fail "the registry's 1.4.0 has changed"
say "1.4.0 still means $released."

title "The fix as 1.4.1: new release, and the moving tags move"
build 'release 1.4.1'
for tag in 1.4.1 1.4 latest; do
  push "$tag" || fail "$tag was refused"
done
table 1.4.0 1.4.1 1.4 latest git-9f3c2a1
patched=$(digest "$image:1.4.1")
[ "$patched" != "$released" ] || fail "1.4.1 is the old image"
for tag in 1.4 latest; do
  [ "$(digest "$image:$tag")" = "$patched" ] || fail "$tag did not move to 1.4.1"
done
for tag in 1.4.0 git-9f3c2a1; do
  [ "$(digest "$image:$tag")" = "$released" ] || fail "$tag moved"
done

title "All as promised"
say "1.4.0 and git-9f3c2a1 stayed, 1.4 and latest moved to 1.4.1."
if [ -z "${KEEP:-}" ]; then
  say "To try more yourself: make demo KEEP=1"
  exit 0
fi
say "Still running; Ctrl-C ends it and removes everything. In another terminal:"
more_commands
say "  $pushonce explain driftwood/web:1.4 --config $work/pushonce.toml"
say "  edit the policy: $work/policy.toml"
say "  metrics and health: http://127.0.0.1:$admin/metrics  http://127.0.0.1:$admin/readyz"
say "  logs: $work/pushonce.log"
wait "${started[0]}"
