#!/bin/sh
# Make all that is released, in the folder OUT: release.sh OUT. The commit is built, not what lies beside it.
# The same commit gives the same bytes, whenever and wherever it is built on the same base. It takes root and buildah.
# SOURCE=https://… is the address of the project's sources, for the chart.
set -eu
cd "$(dirname "$0")/../.."
out=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git show --no-patch --format=%ct HEAD)
export SOURCE_DATE_EPOCH
umask 022

if [ -n "$(git status --porcelain)" ]; then
    echo "packyard: there are changes that are not committed; a release is made of a commit" >&2
    exit 1
fi
if [ "$(uname -m)" != x86_64 ]; then
    echo "packyard: images are made for amd64 only, on such a machine" >&2
    exit 1
fi
# Writes an archive of a folder that depends on its contents alone.
pack() {
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX -C "$1" -cf - "$2"
}

echo "Packyard $version, commit $revision"
mkdir "$work/source"
git archive "$revision" | tar -x -C "$work/source"
rm -f "$out"/packyard-* "$out"/SHA256SUMS

echo 'wheel and source archive'
(cd "$work/source" && "$OLDPWD/.venv/bin/python" -m hatchling build -d "$out" >/dev/null)

echo 'image'
"$work/source/deploy/local/build-image.sh" "$work/image" --timestamp "$SOURCE_DATE_EPOCH" \
    --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" --build-arg VERSION="$version" --build-arg REVISION="$revision"
buildah --storage-driver vfs --root "$work/image/storage" --runroot "$work/image/run" \
    push --quiet --format oci localhost/packyard "oci:$work/oci:$version"
digest=$(skopeo inspect --format '{{.Digest}}' "oci:$work/oci:$version")
pack "$work/oci" . >"$out/packyard-$version-image-amd64.tar"

echo 'SBOM: the Python packages of the image'
# It asks a Python where packages are; that of the image runs in the image only.
site=$(find "$work/image/rootfs/opt/packyard/lib" -name site-packages)
printf '#!/bin/sh\necho '\''["%s"]'\''\n' "$site" >"$work/python"
chmod +x "$work/python"
.release/bin/cyclonedx-py environment --output-reproducible --output-format JSON --pyproject pyproject.toml \
    --output-file "$out/packyard-$version-image.cdx.json" "$work/python"

echo 'chart'
cp -R "$work/source/deploy/chart" "$work/packyard"
rm -r "$work/packyard/examples" "$work/packyard/.helmignore"
sed -i "s/^  digest: \"\"\$/  digest: $digest/" "$work/packyard/values.yaml"
grep -q "^  digest: $digest\$" "$work/packyard/values.yaml"
if [ -n "${SOURCE:-}" ]; then
    printf 'home: %s\nsources: [%s]\nicon: %s/raw/%s/service/web/static/icon.svg\n' \
        "$SOURCE" "$SOURCE" "$SOURCE" "$revision" >>"$work/packyard/Chart.yaml"
fi
pack "$work" packyard | gzip -n9 >"$out/packyard-chart-$version.tgz"

(cd "$out" && sha256sum packyard-* >SHA256SUMS)
echo "image $digest"
cat "$out/SHA256SUMS"
