# shellcheck shell=bash
# The part of demo.sh that pushes with docker, from a daemon of its own: without
# networks, and with all its files below $work. Read by demo.sh.
# shellcheck disable=SC2154

# Another client may stand before Debian's on the path.
docker=docker
[ ! -x /usr/bin/docker ] || docker=/usr/bin/docker
export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/docker-config

docker() { command "$docker" "$@"; }

start_client() {
  say "docker is a daemon started for this demo alone."
  dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs \
    --data-root "$work/docker" --exec-root "$work/docker-run" -p "$work/docker.pid" -H "$DOCKER_HOST" \
    >"$work/dockerd.log" 2>&1 &
  started+=($!)
  until_true "dockerd does not start" docker version
}

# Makes a new image, called driftwood/web:build, from one file.
build() {
  mkdir -p "$work/image"
  echo "$1" >"$work/image/release.txt"
  tar -C "$work/image" -c . | docker import - driftwood/web:build >/dev/null
  say "built driftwood/web:build: $1"
}

first_push() {
  local tag
  for tag in "$@"; do run docker tag driftwood/web:build "$image:$tag"; done
  run docker push --all-tags "$image"
}

push_again() { run docker push "$image:$1"; }

push() {
  run docker tag driftwood/web:build "$image:$1"
  run docker push "$image:$1"
}

more_commands() {
  say "  export DOCKER_HOST=$DOCKER_HOST"
  say "  docker tag driftwood/web:build $image:1.4.1 && docker push $image:1.4.1"
  say "  docker tag driftwood/web:build $image:1.4.2 && docker push $image:1.4.2"
}
