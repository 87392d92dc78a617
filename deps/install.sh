#!/bin/sh
# install.sh [GROUP…]: installs the Debian or Ubuntu packages that are missing, and says what for.
#
#   deps/install.sh              what a build needs
#   deps/install.sh build test   and what the specs need; further groups: lint fuzz bench
#                                browser
#
# Returns at once when nothing is missing. Uses sudo when not root. deps/README.md has the table.
set -eu

packages() {
  case $1 in
  build) cat <<-'END'
		gcc                                    the C compiler
		libc6-dev                              headers of the C library
		cmake                                  the build
		ninja-build                            runs what CMake plans
		pkg-config                             finds libuv and LuaJIT
		libluajit2-5.1-dev|libluajit-5.1-dev   LuaJIT, which runs the handlers
		libuv1-dev                             the event loop
		libhttp-parser-dev                     framing of HTTP/1 messages
		libssl-dev                             TLS
		libnghttp2-dev                         frames and compressed heads of HTTP/2
		zlib1g-dev                             gzip content coding
		libbrotli-dev                          br content coding
		libzstd-dev                            zstd content coding
		libpsl-dev                             public suffixes, for cookie jars
		publicsuffix                           the list of them
		lua-cjson                              JSON for handlers
		lua-cjson-dev                          the same, to be linked in
	END
    ;;
  test) cat <<-'END'
		luajit2|luajit                         runs the specs
		lua-busted                             the spec runner
		curl                                   a client that was not written for the specs
		openssl                                makes certificates, and is a peer for TLS
		slowhttptest                           slow clients to attack with
		sslscan                                looks TLS over
		nghttp2-client                         clients that speak HTTP/2 (nghttp, h2load)
		nginx-light                            a server that was not written for the specs
		python3                                another
		nodejs                                 and another
		valgrind                               watches the memory of a program that embeds the server
		zip                                    makes archives, and
		unzip                                  reads those that are made
	END
    ;;
  lint) cat <<-'END'
		clang-format                           layout of C
		clang-tidy                             static analysis of C
		lua-check                              static analysis of Lua (luacheck)
	END
    ;;
  fuzz) cat <<-'END'
		clang                                  compiles the fuzzers
		libclang-rt-14-dev|libclang-rt-dev     libFuzzer and the sanitizers of clang
		llvm                                   names functions in their reports
	END
    ;;
  bench) cat <<-'END'
		wrk                                    the load generator
		valgrind                               counts instructions of a request
		luajit2|luajit                         runs the bench
		nginx-light                            the peer to measure beside
		libnginx-mod-http-lua                  its Lua module
		openssl                                makes a certificate for both
		nghttp2-client                         h2load, the load generator of HTTP/2
		h2o                                    the peer to measure HTTP/2 beside
	END
    ;;
  browser) cat <<-'END'
		chromium                               the browser the apps are tried in
		nodejs                                 runs the scripts of the browser specs
	END
    # Some packages of Node.js bring npm along, and then exclude the one of that name.
    command -v npm >/dev/null || echo "npm brings playwright-core, which drives the browser"
    ;;
  *)
    echo "install.sh: no such group: $1 (build test lint fuzz bench browser)" >&2
    exit 2
    ;;
  esac
}

[ $# -gt 0 ] || set -- build
wanted=$(for group in "$@"; do packages "$group"; done)

if ! command -v dpkg-query >/dev/null; then
  echo "install.sh: this is not Debian or Ubuntu; please install the equivalents of:" >&2
  echo "$wanted" | sed 's/^/  /' >&2
  exit 1
fi

installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package} ' 2>/dev/null) "
has() { case $installed in *" installed $1 "*) return 0 ;; esac; return 1; }
has_any() { for name in $(echo "$1" | tr '|' ' '); do ! has "$name" || return 0; done; return 1; }

missing=$(echo "$wanted" | while read -r names why; do
  has_any "$names" || echo "$names $why"
done)
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  sudo=sudo
  command -v sudo >/dev/null || { echo "install.sh: run this as root, or install sudo" >&2; exit 1; }
fi
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }
known() { apt-cache show "$1" >/dev/null 2>&1; }

if ! known "$(echo "$missing" | head -n 1 | sed 's/[ |].*//')"; then
  echo "install.sh: reading the package lists (apt-get update)"
  apt update
fi

# Of alternatives, the first one apt knows; but Debian's two LuaJITs exclude each other, so the
# plain one is completed where it is there already.
chosen=
echo "install.sh: installing with apt-get:"
while read -r names why; do
  pick=
  for name in $(echo "$names" | tr '|' ' '); do
    case $name in luajit2) ! has libluajit-5.1-dev || continue ;; esac
    if known "$name"; then pick=$name; break; fi
  done
  if [ -z "$pick" ]; then
    echo "install.sh: apt knows no package $names ($why)" >&2
    exit 1
  fi
  printf '  %-22s %s\n' "$pick" "$why"
  chosen="$chosen $pick"
done <<END
$missing
END
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  # shellcheck disable=SC2086 # a list of names
  apt install -y --no-install-recommends $chosen >"$log" 2>&1
}
install || { apt update && install; } || { cat "$log" >&2; exit 1; }
echo "install.sh: done"
