#!/bin/sh
# Download the demo's packages, each pinned by version and hash, into the folder given.
set -eu
folder=$1
cd "$(dirname "$0")/../.."
mkdir -p "$folder"
echo "Downloading the demo's packages"
# One run for each version of a thing: pip takes only one at a time.
for list in requirements/demo*.txt; do
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --require-hashes -r "$list" -d "$folder"
done
