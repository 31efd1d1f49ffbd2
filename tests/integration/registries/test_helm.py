"""Helm charts over HTTP: what is pushed, what a channel's index shows of it, and what a deletion changes."""

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientResponse, FormData
from ruamel.yaml import YAML

from service.context import Context
from service.registries.helm.rows import list_charts
from tests.integration.conftest import Client
from tests.support.catalogue import delete, objects_in, query, restore

_PROJECT: Final = "/api/v4/projects/100/packages/helm"
_PRIVATE: Final = "/api/v4/projects/102/packages/helm"
_CHART: Final = "apiVersion: v2\nname: press\nversion: 1.0.0\nappVersion: '1.0'\ndescription: A press\n"


def _basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


_DEVELOPER: Final = _basic("developer-token")


def _packed(metadata: str = _CHART, **others: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {**others, "press/Chart.yaml": metadata}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


async def _push(client: Client, chart: bytes, *, channel: str = "stable", to: str = _PROJECT) -> ClientResponse:
    form = FormData()
    form.add_field("chart", io.BytesIO(chart), filename="whatever.tgz")
    return await client.post(f"{to}/api/{channel}/charts", data=form, headers=_DEVELOPER)


async def _index(client: Client, channel: str = "stable") -> dict[str, Any]:
    answer = await client.get(f"{_PROJECT}/{channel}/index.yaml")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/yaml; charset=utf-8")
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(await answer.text())
    return found


async def test_a_pushed_chart_is_in_its_channels_index_and_downloaded(client: Client) -> None:
    chart = _packed()

    answer = await _push(client, chart)

    assert (answer.status, await answer.json()) == (201, {"message": "201 Created"})
    found = await _index(client)
    (entry,) = found["entries"]["press"]
    assert (entry["version"], entry["appVersion"], entry["description"]) == ("1.0.0", "1.0", "A press")
    assert (entry["urls"], entry["digest"]) == (["charts/press-1.0.0.tgz"], hashlib.sha256(chart).hexdigest())
    assert found["serverInfo"] == {"contextPath": "/api/v4/projects/100/packages/helm"}
    assert await (await client.get(f"{_PROJECT}/stable/charts/press-1.0.0.tgz")).read() == chart
    (package,) = await (await client.get("/api/v4/projects/100/packages")).json()
    assert (package["name"], package["version"], package["package_type"]) == ("press", "1.0.0", "helm")


async def test_a_channel_that_nobody_pushed_to_is_empty(client: Client) -> None:
    await _push(client, _packed())

    assert (await _index(client, "devel"))["entries"] == {}
    assert (await client.get(f"{_PROJECT}/devel/charts/press-1.0.0.tgz")).status == 404


async def test_a_channel_belongs_to_the_file(client: Client, filled: Context) -> None:
    await _push(client, _packed())
    await _push(client, _packed(**{"press/new": "x"}), channel="devel")

    assert len(await query(filled, "SELECT id FROM package")) == 1
    stable, devel = [(await _index(client, channel))["entries"]["press"] for channel in ("stable", "devel")]
    assert stable[0]["digest"] != devel[0]["digest"]


async def test_the_newest_file_of_a_chart_is_served(client: Client) -> None:
    await _push(client, _packed())
    again = _packed(**{"press/new": "x"})
    await _push(client, again)

    (entry,) = (await _index(client))["entries"]["press"]
    assert entry["digest"] == hashlib.sha256(again).hexdigest()
    assert await (await client.get(f"{_PROJECT}/stable/charts/press-1.0.0.tgz")).read() == again


async def test_an_index_shows_the_newest_charts_while_their_metadata_are_not_too_long(
    client: Client, filled: Context
) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await _push(client, _packed(_CHART.replace("1.0.0", version)))

    async with filled.database.connection() as connection:
        whole = await list_charts(connection, project_id=100, channel="stable")
        sizes = [len(chart.metadata.encode()) for chart in whole]
        limits = [sum(sizes), sum(sizes) - 1, sizes[0], sizes[0] - 1]
        shown = [
            [
                chart.version
                for chart in await list_charts(connection, project_id=100, channel="stable", most_bytes=most)
            ]
            for most in limits
        ]

    newest = ["1.2.0", "1.1.0", "1.0.0"]
    assert [chart.version for chart in whole] == newest
    assert shown == [newest, newest[:2], newest[:1], []]


async def test_a_deletion_hides_a_chart_and_an_undo_shows_it_again(client: Client, filled: Context) -> None:
    await _push(client, _packed())
    (package,) = await query(filled, "SELECT id FROM package")

    deletion = await delete(filled, package["id"])
    assert (await _index(client))["entries"] == {}
    assert (await client.get(f"{_PROJECT}/stable/charts/press-1.0.0.tgz")).status == 404

    await restore(filled, deletion.id)
    assert list((await _index(client))["entries"]) == ["press"]


def _bomb() -> bytes:
    entry = tarfile.TarInfo("press/big")
    entry.size = 80 * 1024 * 1024
    return gzip.compress(entry.tobuf() + bytes(entry.size), compresslevel=1)


def _with_a_link() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("press/Chart.yaml")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        (b"no archive", "Chart should be a gzip-compressed tar archive"),
        (_packed()[:-40], "Chart should be a gzip-compressed tar archive"),
        (
            gzip.compress(tarfile.TarInfo("press/x").tobuf() * 10_001),
            "Chart has more than 10000 files when it is unpacked",
        ),
        (_bomb(), "Chart has more than 64 MiB when it is unpacked"),
        (_with_a_link(), "Chart has no Chart.yaml in its folder"),
        (_packed(_CHART.replace("1.0.0", "1.0")), "Version is invalid"),
        (_packed(_CHART.replace("press", "../press")), "Name is invalid"),
        (_packed(_CHART.replace("v2", "v9")), "Chart.yaml: apiVersion should be v1 or v2"),
        (_packed(_CHART + "a: &a [x]\nb: *a\n"), "Chart.yaml should have no alias"),
        (_packed(_CHART + "a: [\n"), "Chart.yaml is no YAML that can be read"),
        (_packed(_CHART + "a: " + "[" * 20_000), "Chart.yaml is nested too deeply (maximum is 50)"),
        (_packed(_CHART + "a:\n" + "- " * 20_000), "Chart.yaml is nested too deeply (maximum is 50)"),
        (_packed(_CHART + "a:\n" + "? " * 20_000), "Chart.yaml is nested too deeply (maximum is 50)"),
        (_packed(_CHART + "a: .nan\n"), "Chart.yaml is no YAML that can be read"),
        (_packed(_CHART + "a: [" + "1," * 20_000 + "]\n"), "Chart.yaml has too many parts (maximum is 3000)"),
        (_packed("- a\n"), "Chart.yaml should be a mapping"),
        (_packed(_CHART + 'a: "\\0"\n'), "Chart.yaml should have no NUL character"),
        (_packed(_CHART + "#" * 70_000), "Chart has a Chart.yaml of more than 64 KiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_chart_that_breaks_a_rule_is_refused_and_leaves_nothing(
    client: Client, objects: Path, chart: bytes, said: str
) -> None:
    answer = await _push(client, chart)

    assert (answer.status, await answer.json()) == (400, {"message": f"Validation failed: {said}"})
    assert objects_in(objects) == set()


async def test_a_chart_that_is_too_large_is_refused(client: Client, objects: Path) -> None:
    answer = await _push(client, bytes(7 * 1024 * 1024))

    assert (answer.status, await answer.json()) == (400, {"message": "400 Bad request - File is too large"})
    assert objects_in(objects) == set()


@pytest.mark.parametrize("channel", ["..%2Fx", "a--b", "-a", "a%20b"])
async def test_a_channel_is_letters_and_digits_with_single_separators(client: Client, channel: str) -> None:
    for answer in (
        await _push(client, _packed(), channel=channel),
        await client.get(f"{_PROJECT}/{channel}/index.yaml"),
    ):
        assert (answer.status, await answer.json()) == (400, {"error": "channel is invalid"})


@pytest.mark.parametrize(
    ("project", "headers", "status"),
    [
        (_PRIVATE, {}, 401),
        (_PRIVATE, _basic("stranger-token"), 404),
        (_PRIVATE, _basic("insider-token"), 200),
        (_PRIVATE, _basic("anvil-read-deploy", "puller"), 200),
        (_PRIVATE, _basic("anvil-maintainer-job", "gitlab-ci-token"), 200),
        (_PROJECT, {}, 200),
        (_PROJECT, _basic("no-such-token"), 401),
        (_PROJECT, {"Deploy-Token": "no-such-token"}, 401),
    ],
    ids=str,
)
async def test_credentials_come_as_helm_sends_them(
    client: Client, project: str, headers: Mapping[str, str], status: int
) -> None:
    answer = await client.get(f"{project}/stable/index.yaml", headers=headers)

    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_texts_that_yaml_would_misread_come_back_as_they_were(client: Client) -> None:
    text = "yes: 'no'\u2028\u0085 \"quoted\" \U0001f347\x7f # - {"
    await _push(client, _packed(_CHART + f"keywords: [{_double_quoted(text)}, '0o7', '1_000', '2020-01-01']\n"))

    (entry,) = (await _index(client))["entries"]["press"]

    assert entry["keywords"] == [text, "0o7", "1_000", "2020-01-01"]


def _double_quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


def _provenance(chart: bytes, file_name: str = "press-1.0.0.tgz") -> str:
    digest = hashlib.sha256(chart).hexdigest()
    return (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{_CHART}\n...\nfiles:\n  {file_name}: sha256:{digest}\n"
        "-----BEGIN PGP SIGNATURE-----\n\nwsBc\n-----END PGP SIGNATURE-----\n"
    )


async def _push_signed(client: Client, chart: bytes, provenance: str) -> ClientResponse:
    form = FormData()
    form.add_field("prov", provenance.encode(), filename="whatever.tgz.prov")
    form.add_field("chart", io.BytesIO(chart), filename="whatever.tgz")
    return await client.post(f"{_PROJECT}/api/stable/charts", data=form, headers=_DEVELOPER)


async def test_a_provenance_file_is_served_beside_its_chart_and_no_other(client: Client, filled: Context) -> None:
    chart = _packed()
    address = f"{_PROJECT}/stable/charts/press-1.0.0.tgz.prov"
    assert (await _push_signed(client, chart, _provenance(chart))).status == 201
    (entry,) = (await _index(client))["entries"]["press"]
    assert entry["digest"] == hashlib.sha256(chart).hexdigest()
    assert await (await client.get(address)).text() == _provenance(chart)

    (package,) = await query(filled, "SELECT id FROM package")
    deletion = await delete(filled, package["id"])
    assert (await client.get(address)).status == 404
    await restore(filled, deletion.id)
    assert (await client.get(address)).status == 200

    await _push(client, _packed(**{"press/new": "x"}))
    assert (await client.get(address)).status == 404


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        ("no signature", "should be a signed text"),
        (_provenance(b"other bytes"), "does not belong to that chart"),
        (_provenance(_packed(), "other-1.0.0.tgz"), "does not belong to that chart"),
    ],
)
async def test_a_provenance_file_that_does_not_fit_is_refused(
    client: Client, objects: Path, provenance: str, reason: str
) -> None:
    answer = await _push_signed(client, _packed(), provenance)

    said = {"message": f"Validation failed: Provenance file {reason}"}
    assert (answer.status, await answer.json(), objects_in(objects)) == (400, said, set())


async def test_build_metadata_make_another_version(client: Client, filled: Context) -> None:
    for build in ("1.0.0", "1.0.0+build.1", "1.0.0+build.2", "v1.0.0"):
        assert (await _push(client, _packed(_CHART.replace("1.0.0", build)))).status == 201

    entries = (await _index(client))["entries"]["press"]
    assert [entry["version"] for entry in entries] == ["v1.0.0", "1.0.0+build.2", "1.0.0+build.1", "1.0.0"]
    for entry in entries:
        answer = await client.get(f"{_PROJECT}/stable/{entry['urls'][0]}")
        assert hashlib.sha256(await answer.read()).hexdigest() == entry["digest"]
    assert len(await query(filled, "SELECT id FROM package")) == 4


async def test_a_chart_deleted_and_pushed_again_has_the_new_bytes(client: Client, filled: Context) -> None:
    await _push(client, _packed())
    first = await client.get(f"{_PROJECT}/stable/index.yaml")
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get(f"{_PROJECT}/stable/index.yaml", headers=known)).status == 304
    (package,) = await query(filled, "SELECT id FROM package")

    await delete(filled, package["id"])
    again = _packed(**{"press/new": "x"})
    await _push(client, again)

    assert (await client.get(f"{_PROJECT}/stable/index.yaml", headers=known)).status == 200
    (entry,) = (await _index(client))["entries"]["press"]
    assert entry["digest"] == hashlib.sha256(again).hexdigest()
    assert await (await client.get(f"{_PROJECT}/stable/charts/press-1.0.0.tgz")).read() == again
