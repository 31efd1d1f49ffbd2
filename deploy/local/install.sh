#!/bin/sh
# Install pinned and hashed requirements with uv: install.sh PYTHON ARGUMENT…, with the arguments of `uv pip install`.
# uv itself comes from pip, pinned and hashed, into .venv. It does not read how pip is configured (index, mirror, certificates),
# so that is handed on where no variable of uv's own says otherwise.
set -eu
python=$1
shift
pip=".venv/bin/python -m pip --disable-pip-version-check"
uv=.venv/bin/uv

wanted=$(sed -n 's/^uv==\([^ ;]*\).*/\1/p' requirements/uv.txt)
[ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" = "$wanted" ] \
    || $pip install --quiet --no-deps --require-hashes --only-binary :all: -r requirements/uv.txt

configured=$($pip config list 2>/dev/null || true)
# Prints a value of pip's, of the last place that sets it: its files, then the section of `install`, then the environment.
of_pip() {
    for place in global install :env:; do
        printf '%s\n' "$configured" | sed -n "s/^$place\.$1='\(.*\)'\$/\1/p"
    done | tail -n 1
}
# Sets a variable of uv's unless it is set, or pip has no such value.
hand_on() {
    eval "known=\${$1:-}"
    [ -n "$known" ] || [ -z "$2" ] || export "$1=$2"
}
hand_on UV_DEFAULT_INDEX "$(of_pip index-url)"
hand_on UV_EXTRA_INDEX_URL "$(of_pip extra-index-url)"
hand_on UV_FIND_LINKS "$(of_pip find-links | tr ' ' ',')"
hand_on UV_INSECURE_HOST "$(of_pip trusted-host)"
hand_on UV_HTTP_TIMEOUT "$(of_pip timeout)"
hand_on UV_NO_INDEX "$(of_pip no-index)"
hand_on SSL_CERT_FILE "$(of_pip cert)"
# Every file has its hash, so whichever index has it may give it, as with pip.
export UV_INDEX_STRATEGY=unsafe-best-match

"$uv" pip install --quiet --python "$python" --no-deps "$@" || {
    echo "packyard: uv could not install them, pip tries again" >&2
    $pip --python "$python" install --quiet --no-deps "$@"
}
