#!/bin/sh
# Pin every dependency with its hashes, for every Python from 3.11 on, and those of the clients that the tests use;
# no registry's address goes into the files.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
common="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --quiet"
export UV_CUSTOM_COMPILE_COMMAND="make requirements"
own="pyproject.toml --extra stack --override requirements/overrides.txt"
"$uv" pip compile $common $own -o requirements/runtime.txt
"$uv" pip compile $common $own --group dev -c requirements/runtime.txt -o requirements/dev.txt
"$uv" pip compile $common tests/clients/requirements.in -o tests/clients/requirements.txt
(cd tests/clients && npm update --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --silent)
