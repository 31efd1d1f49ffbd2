#!/bin/sh
# Pin every dependency with its hashes, for every Python from 3.11 on, and those of the clients and checkers that the tests use;
# no registry's address goes into the files.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
common="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --quiet"
export UV_CUSTOM_COMPILE_COMMAND="make requirements"
own="pyproject.toml --extra stack --override requirements/overrides.txt"
"$uv" pip compile $common $own -o requirements/runtime.txt
"$uv" pip compile $common $own --group dev -c requirements/runtime.txt -o requirements/dev.txt
"$uv" pip compile $common pyproject.toml --override requirements/overrides.txt -c requirements/runtime.txt -o requirements/image.txt
"$uv" pip compile $common --group wheel -c requirements/dev.txt -o requirements/wheel.txt
"$uv" pip compile $common --group release -o requirements/release.txt
"$uv" pip compile $common --group installer -c requirements/dev.txt -o requirements/uv.txt
"$uv" pip compile $common tests/clients/requirements.in -o tests/clients/requirements.txt
"$uv" pip compile $common tests/deployment/requirements.in --override tests/deployment/overrides.txt -o tests/deployment/requirements.txt
for folder in tests/clients tests/contracts; do
    (cd "$folder" && npm update --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --silent)
done
