#!/bin/sh
# Push what release.sh made: publish.sh OUT REGISTRY, such as registry.example.com/team. The image goes there as it is; the chart gets
# the place of the image, and goes to REGISTRY/charts. Log in before: skopeo login, helm registry login.
# TEST=1 lets an image on a base of this machine through. PLAIN_HTTP=1 is for a registry of a test. COSIGN_KEY=… signs both.
set -eu
cd "$(dirname "$0")/../.."
out=$(cd "$1" && pwd)
registry=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
helm=${HELM:-.checkers/bin/helm}
(cd "$out" && sha256sum --check --quiet SHA256SUMS)
image=$(echo "$out"/packyard-*-image-amd64.tar)
version=$(basename "$image" -image-amd64.tar)
version=${version#packyard-}

base=$(skopeo inspect --config --format '{{index .Config.Labels "io.packyard.base"}}' "oci-archive:$image")
if [ "$base" = stand-in ] && [ "${TEST:-}" != 1 ]; then
    echo "packyard: this image has a stand-in base of Debian's packages, which is not for others: TEST=1 pushes it all the same" >&2
    exit 1
fi
digest=$(skopeo inspect --format '{{.Digest}}' "oci-archive:$image")
skopeo copy --quiet --preserve-digests ${PLAIN_HTTP:+--dest-tls-verify=false} "oci-archive:$image" "docker://$registry/packyard:$version"
pushed=$(skopeo inspect ${PLAIN_HTTP:+--tls-verify=false} --format '{{.Digest}}' "docker://$registry/packyard:$version")
if [ "$pushed" != "$digest" ]; then
    echo "packyard: $registry has $pushed, and $digest was pushed" >&2
    exit 1
fi

tar -xzf "$out/packyard-chart-$version.tgz" -C "$work"
sed -i "s|^  repository: packyard\$|  repository: $registry/packyard|" "$work/packyard/values.yaml"
grep -q "^  repository: $registry/packyard\$" "$work/packyard/values.yaml"
# Packed as in the release, so that the same release gives the same chart.
tar --sort=name --mtime="@$(stat -c %Y "$work/packyard/Chart.yaml")" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX \
    -C "$work" -cf - packyard | gzip -n9 >"$work/packyard-$version.tgz"
"$helm" push ${PLAIN_HTTP:+--plain-http} "$work/packyard-$version.tgz" "oci://$registry/charts" >"$work/pushed" 2>&1 || {
    cat "$work/pushed" >&2
    exit 1
}
chart=$(sed -n 's/^Digest: //p' "$work/pushed")

if [ -n "${COSIGN_KEY:-}" ]; then
    cosign sign --yes --key "$COSIGN_KEY" "$registry/packyard@$digest"
    cosign sign --yes --key "$COSIGN_KEY" "$registry/charts/packyard@$chart"
fi
echo "image $registry/packyard:$version@$digest"
echo "chart oci://$registry/charts/packyard $version ($chart)"
