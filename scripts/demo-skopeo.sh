# shellcheck shell=bash
# The part of demo.sh that pushes with skopeo, for who is not root. Read by demo.sh.
# shellcheck disable=SC2154

start_client() { :; }

# Makes a new image in $work/build: one layer with one file, in the layout of
# skopeo's `dir:` transport.
build() {
  local layer config layer_size config_size
  rm -rf "$work/build"
  mkdir -p "$work/build" "$work/image"
  echo "$1" >"$work/image/release.txt"
  tar -C "$work/image" -cf "$work/layer" .
  layer=$(sha256sum <"$work/layer" | cut -d ' ' -f 1)
  printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" >"$work/config"
  config=$(sha256sum <"$work/config" | cut -d ' ' -f 1)
  layer_size=$(stat -c %s "$work/layer")
  config_size=$(stat -c %s "$work/config")
  mv "$work/layer" "$work/build/$layer"
  mv "$work/config" "$work/build/$config"
  echo 'Directory Transport Version: 1.1' >"$work/build/version"
  printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"sha256:%s","size":%d},' \
    application/vnd.oci.image.manifest.v1+json application/vnd.oci.image.config.v1+json "$config" "$config_size" \
    >"$work/build/manifest.json"
  printf '"layers":[{"mediaType":"%s","digest":"sha256:%s","size":%d}]}' \
    application/vnd.oci.image.layer.v1.tar "$layer" "$layer_size" >>"$work/build/manifest.json"
  say "built $work/build: $1"
}

push() { run skopeo --insecure-policy copy --quiet --dest-tls-verify=false "dir:$work/build" "docker://$image:$1"; }

first_push() {
  local tag
  for tag in "$@"; do push "$tag" || return 1; done
}

push_again() { push "$1"; }

more_commands() {
  say "  skopeo --insecure-policy copy --dest-tls-verify=false dir:$work/build docker://$image:1.4.1"
  say "  skopeo --insecure-policy copy --dest-tls-verify=false dir:$work/build docker://$image:1.4.2"
}
