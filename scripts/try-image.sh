#!/usr/bin/env bash
# Builds the image of the Dockerfile with a docker daemon of its own, and runs it.
#
#   scripts/try-image.sh DIRECTORY
#
# The images that the Dockerfile begins with are made here, under the names that it uses:
# Debian by debootstrap, with this machine's Rust and the crates that were fetched already.
# So no registry and no network is asked but Debian's archive. The profile is `dev`: what is
# tried is the Dockerfile, not the optimiser. Needs root. In DIRECTORY everything is kept,
# and nothing is left running.
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$1
PATH="$PATH:/usr/sbin:/sbin"
builder=$(sed -n 's/^FROM \(rust:[^ ]*\) AS builder$/\1/p' Dockerfile)
runtime=$(sed -n 's/^FROM \(gcr.io[^ ]*\)$/\1/p' Dockerfile)
export DOCKER_HOST="unix://$directory/sock"

mkdir -p "$directory"
debootstrap --variant=minbase --include=gcc,libc6-dev bookworm "$directory/debian" >"$directory/debootstrap.log"

dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
  --data-root "$directory/data" --exec-root "$directory/exec" -p "$directory/pid" -H "$DOCKER_HOST" >"$directory/dockerd.log" 2>&1 &
daemon=$!
end() {
  kill "$daemon"
  wait "$daemon" || true
  umount --lazy "$directory/exec/netns/default" 2>/dev/null || true
}
trap end EXIT
timeout 60 sh -c 'until docker version; do sleep 0.2; done' >/dev/null 2>&1

# What the runtime image has of Debian, as far as a program can tell: the C library and an
# empty place for it.
tar -C "$directory/debian" -c --exclude ./var/cache --exclude ./usr/share --exclude ./usr/lib/gcc . |
  docker import - "$runtime" >/dev/null
# The official image has cargo and rustc in this place too.
toolchain=$(rustc --print sysroot)
mkdir -p "$directory/debian/usr/local/cargo"
cp -r "${CARGO_HOME:-$HOME/.cargo}/registry" "$directory/debian/usr/local/cargo/registry"
tar -c --exclude "${toolchain#/}/share" -C "$directory/debian" . -C / "${toolchain#/}" |
  docker import --change "ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true PATH=$toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    - "$builder" >/dev/null
rm -rf "$directory/debian"

docker build --network none --build-arg PROFILE=dev --tag pushonce .

# A registry, and the image in front of it as the Dockerfile says to run it.
registry="$directory/registry.yaml"
cat >"$registry" <<YAML
version: 0.1
http: {addr: "127.0.0.1:15001"}
storage: {filesystem: {rootdirectory: $directory/registry}}
YAML
docker-registry serve "$registry" >"$directory/registry.log" 2>&1 &
registry=$!
trap 'kill $registry || true; end' EXIT
docker run --detach --name pushonce --network host --read-only --cap-drop ALL --volume ledger:/var/lib/pushonce \
  --env PUSHONCE_LISTEN=127.0.0.1:15000 --env PUSHONCE_ADMIN__LISTEN=127.0.0.1:19090 \
  --env PUSHONCE_UPSTREAM__URL=http://127.0.0.1:15001 pushonce
timeout 30 sh -c 'until curl --fail --silent http://127.0.0.1:19090/readyz; do sleep 0.2; done' ||
  { docker logs pushonce && exit 1; }

# A release is pushed through it once, and again with other bytes.
release=127.0.0.1:15000/driftwood/web:1.4.0
for content in first second; do
  mkdir "$directory/$content"
  echo "$content" >"$directory/$content/content"
  tar -C "$directory/$content" -c . | docker import - "$release" >/dev/null
  docker push "$release" >"$directory/$content.log" 2>&1 || true
done
docker rm --force pushonce >/dev/null
grep -q 'digest: sha256:' "$directory/first.log"
grep -q '^denied: tag driftwood/web:1.4.0 is immutable' "$directory/second.log"
echo "built, run, and $(tail -1 "$directory/second.log")"
