#!/bin/sh
# Make sure that this machine has the programs that pip cannot install: Python's venv and RabbitMQ (with Erlang).
# The argument `tests` adds clients (Node with npm, Maven, Gradle, Mono, curl, and Chromium), openssl, PgBouncer and a
# library for false clocks. It also adds wrk (load on an HTTP server), iptables (it makes servers fall silent), and
# promtool, a part of Prometheus. The argument `release` adds what makes and publishes a release, and a registry to try that with.
# The argument `cluster` adds what runs containers, networks and a registry, and a C compiler; Go has to be there.
# Missing ones are installed with apt when that is allowed; no service is started. Otherwise one line says what to do.
set -eu

missing=""

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "packyard: Python 3.11 or later is needed; name it with make PYTHON=python3.12" >&2
    exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

have_rabbitmq() {
    for script in /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server \
        /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server /usr/local/opt/rabbitmq/sbin/rabbitmq-server \
        /opt/rabbitmq/sbin/rabbitmq-server; do
        [ -x "$script" ] && return 0
    done
    command -v rabbitmq-server >/dev/null
}
[ -n "${PACKYARD_BROKER_URL:-}" ] || have_rabbitmq || missing="$missing rabbitmq-server"

check_node() {
    if ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; then
        echo "packyard: Node 18 or later is needed for the tests; this machine's is $(node --version)" >&2
        exit 1
    fi
}
if [ "${1:-}" = tests ]; then
    if command -v node >/dev/null; then check_node; else missing="$missing nodejs"; fi
    command -v npm >/dev/null || missing="$missing npm"
    command -v mvn >/dev/null || missing="$missing maven"
    command -v gradle >/dev/null || ! command -v apt-get >/dev/null || missing="$missing gradle"
    command -v curl >/dev/null || missing="$missing curl"
    command -v openssl >/dev/null || missing="$missing openssl"
    command -v wrk >/dev/null || missing="$missing wrk"
    command -v promtool >/dev/null || missing="$missing prometheus"
    command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
    # Chromium opens the pages; Inter is the first font of their style sheet, so screenshots are the same everywhere.
    command -v chromium >/dev/null || ! command -v apt-get >/dev/null || missing="$missing chromium fonts-inter"
    # Mono runs nuget.exe, which loads these of its libraries: 12 MB with what they need. Elsewhere its test is skipped.
    mono="mono-runtime libmono-microsoft-csharp4.0-cil libmono-microsoft-build-utilities-v4.0-4.0-cil"
    mono="$mono libmono-system-componentmodel-composition4.0-cil libmono-system-componentmodel-dataannotations4.0-cil"
    mono="$mono libmono-system-data-services-client4.0-cil libmono-system-io-compression-filesystem4.0-cil"
    mono="$mono libmono-system-net-http4.0-cil libmono-system-servicemodel4.0a-cil libmono-windowsbase4.0-cil"
    # shellcheck disable=SC2086 # words on purpose
    ! command -v apt-get >/dev/null || dpkg -s $mono >/dev/null 2>&1 || missing="$missing $mono"
    # Linux only; elsewhere the tests say that no server fell silent, and no clock was wrong.
    command -v iptables >/dev/null || ! command -v apt-get >/dev/null || missing="$missing iptables"
    command -v ip >/dev/null || ! command -v apt-get >/dev/null || missing="$missing iproute2"
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || ! command -v apt-get >/dev/null || missing="$missing libfaketime"
fi
if [ "${1:-}" = cluster ]; then
    if ! command -v go >/dev/null && [ ! -x /usr/local/go/bin/go ]; then
        echo "packyard: Go 1.21 or later is needed to build Kubernetes; put it on PATH or into /usr/local/go" >&2
        exit 1
    fi
    for program in containerd runc docker-registry skopeo buildah mmdebstrap iptables ipset conntrack gcc curl; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    command -v ip >/dev/null || missing="$missing iproute2"
    command -v nft >/dev/null || missing="$missing nftables"
    [ -x /usr/lib/cni/ptp ] || missing="$missing containernetworking-plugins"
fi

if [ "${1:-}" = release ]; then
    for tool in buildah mmdebstrap skopeo docker-registry faketime; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
fi

[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo -n"
fi
if ! command -v apt-get >/dev/null || ! $as_root true 2>/dev/null; then
    echo "packyard: please install these packages first:$missing (on Debian or Ubuntu: sudo apt-get install$missing)" >&2
    exit 1
fi

# apt would start RabbitMQ as a service of the machine; ours are private ones. This program says no for as long as
# the installation takes, unless the machine has one of its own.
policy=/usr/sbin/policy-rc.d
allow_again() { :; }
if [ ! -e "$policy" ]; then
    allow_again() { $as_root rm -f "$policy"; }
    trap allow_again EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
# Runs apt-get, and waits up to five minutes for another one: a machine that has just started often updates itself.
# apt can wait for the lock of dpkg, but never for the locks of its lists and archives.
apt_get() {
    tries=60
    until said=$($as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1); do
        case $said in
            *"Could not get lock"*) [ "$tries" -lt 60 ] || echo "Waiting for another apt to end" ;;
            *) tries=0 ;;
        esac
        if [ "$tries" -eq 0 ]; then
            echo "packyard: apt-get $1 failed: $said" >&2
            exit 1
        fi
        tries=$((tries - 1))
        sleep 5
    done
}

echo "Installing with apt:$missing"
apt_get update
# shellcheck disable=SC2086 # words on purpose
apt_get install -y --no-install-recommends $missing
[ "${1:-}" != tests ] || check_node
