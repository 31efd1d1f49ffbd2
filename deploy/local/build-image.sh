#!/bin/sh
# Build the image without Docker, and unpack it: `build-image.sh DIR` leaves DIR/rootfs, and in DIR/inspected.json how its processes
# are started. buildah runs the steps of deploy/Dockerfile in a chroot; they need root and PyPI.
# The base is that of the Dockerfile; where its registry cannot be reached, one of Debian's packages (mmdebstrap), with the
# same Python, 3.13. SOURCE is the project's folder, if it is not the one of this script.
set -eu
cd "${SOURCE:-$(dirname "$0")/../..}"
folder=$1
shift

if [ "$(id -u)" -ne 0 ]; then
    echo "packyard: building an image in a chroot takes root: sudo make image-check" >&2
    exit 1
fi
missing=""
for tool in buildah mmdebstrap; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "packyard: please install these packages first:$missing" >&2
        exit 1
    fi
    echo "Installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # words on purpose
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# STORAGE_DRIVER=overlay is much faster, where the file system allows it; with --layers, steps are kept for the next time.
in_store() { buildah --storage-driver "${STORAGE_DRIVER:-vfs}" --root "$folder/storage" --runroot "$folder/run" "$@"; }

# With SOURCE_DATE_EPOCH in the environment, the same base again gives the same image.
base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' deploy/Dockerfile)
if ! in_store pull --quiet "$base" >/dev/null 2>&1; then
    echo "$base cannot be had here; the base is made of Debian's packages"
    base=localhost/packyard-base
    set -- "$@" --label io.packyard.base=stand-in
    if ! in_store inspect --type image "$base" >/dev/null 2>&1; then
        # Python's package compiles its modules there; sets are written in the order of their hashes.
        PYTHONHASHSEED=0 mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$folder/base.tar"
        printf 'FROM scratch\nADD base.tar /\n' >"$folder/base.Dockerfile"
        in_store build ${SOURCE_DATE_EPOCH:+--timestamp "$SOURCE_DATE_EPOCH"} --isolation chroot --file "$folder/base.Dockerfile" --tag "$base" "$folder" >"$folder/base.log" 2>&1
        rm "$folder/base.tar"
    fi
fi

echo "Building on $base, see $folder/build.log"
# The pip of the builder needs the same certificate of a proxy as the pip of this machine.
[ -z "${PIP_CERT:-}" ] || set -- "$@" --volume "$PIP_CERT:/etc/ssl/certs/ca-certificates.crt:ro"
in_store build "$@" --isolation chroot --format docker --pull-never --ignorefile deploy/Dockerfile.dockerignore \
    --build-arg PYTHON_IMAGE="$base" --file deploy/Dockerfile --tag localhost/packyard . >"$folder/build.log" 2>&1 ||
    { tail -n 20 "$folder/build.log" >&2; exit 1; }

container=$(in_store from --pull-never localhost/packyard)
rm -rf "$folder/rootfs"
cp -a "$(in_store mount "$container")" "$folder/rootfs"
in_store rm "$container" >/dev/null
in_store inspect --type image localhost/packyard >"$folder/inspected.json"
du -sh "$folder/rootfs"
