#!/bin/sh
# Pin every dependency with its hashes, for every Python from 3.11 on; no index address goes into the files.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
common="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --quiet"
export UV_CUSTOM_COMPILE_COMMAND="make requirements"
"$uv" pip compile $common pyproject.toml --extra stack -o requirements/runtime.txt
"$uv" pip compile $common pyproject.toml --extra stack --group dev -c requirements/runtime.txt -o requirements/dev.txt
