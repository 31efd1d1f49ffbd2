#!/bin/sh
# Fill a local repository with the plugins that the tests of Maven use: download.sh FOLDER. It publishes to a folder, and
# resolves from there, so that Maven fetches all that both take. The files come from Maven Central.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/src/main/resources"
echo kit >"$work/src/main/resources/kit.txt"
sed "s#@version@#1.0#; s#@server@#folder#; s#@url@#file://$work/published#" "$here/pom.xml" >"$work/pom.xml"
cd "$work"
maven="mvn --batch-mode --quiet -Dmaven.repo.local=$target/repository"
$maven -Dmaven.test.skip=true deploy
$maven dependency:get -Dartifact=com.example.press:kit:1.0 -DremoteRepositories="folder::::file://$work/published"
rm -rf "$target/repository/com/example"
