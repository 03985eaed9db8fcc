#!/usr/bin/env bash
# Installs the Debian 12 packages that the build, the tests and the tools need. Idempotent: with everything in place it
# costs one dpkg-query. LLVM 22 comes from Debian's security suite, which a bare system may not list yet.
set -euo pipefail

packages=(
  ca-certificates git pkg-config cmake ninja-build ccache
  clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools liblld-22-dev libclang-rt-22-dev
  clang-tidy-22 clang-format-22
  protobuf-compiler libprotobuf-dev flatbuffers-compiler libflatbuffers-dev
  libcli11-dev nlohmann-json3-dev libyaml-cpp-dev libsodium-dev libsqlite3-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-venv python3-dev
  fonts-dejavu-core # the demo draws words
)

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  printf '%s\n' "${packages[@]}" | grep -vxF -f <(printf '%s\n' "$installed") || true
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "setup: root or sudo is needed to install packages" >&2
    exit 1
  fi
}

retry() { # three tries: a mirror may be busy
  local try
  for try in 1 2 3; do
    "$@" && return 0
    echo "setup: try $try of 3 failed: $*" >&2
    sleep $((try * 5))
  done
  return 1
}

add_security_suite() {
  if apt-cache policy 2>/dev/null | grep -q 'n=bookworm-security'; then
    return
  fi
  echo "setup: adding Debian's security suite, which has LLVM 22"
  printf '%s\n' 'Types: deb' 'URIs: http://deb.debian.org/debian-security' 'Suites: bookworm-security' \
    'Components: main' 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' |
    as_root tee /etc/apt/sources.list.d/tenon-debian-security.sources >/dev/null
}

mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" = 0 ] || [ -z "${missing[0]}" ] && exit 0

if ! grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
  echo "setup: this is not Debian 12; install the like of these packages by hand: ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${#missing[@]} Debian packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quiet() {
  retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
    "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
quiet update
add_security_suite
quiet update
quiet install --no-install-recommends -y "${missing[@]}"
