"""Importing packages into a real database and a folder of objects."""

import asyncio
import gzip
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from obstore.store import MemoryStore
from typing_extensions import override

from schemas.statuses import PackageStatus
from service.context import Context, open_context
from service.directory_file.applying import apply_directory, read_directory
from service.errors import StartError, StorageUnavailableError
from service.importing.imports import import_packages
from service.importing.lines import Line
from service.importing.local_files import Folder
from service.importing.reading import BATCH_LINES
from service.infra.storage.bucket.store import BucketStore
from service.infra.storage.interface import Check, ObjectStore, StoredObject
from service.settings import load_settings

DIRECTORY = """
users: [{username: dave}]
groups: [{path: acme}]
projects: [{path: acme/anvil, id: 100}, {path: acme/other, id: 200}]
"""
FULL: dict[str, Any] = {
    "project": "acme/anvil",
    "package_type": "conan",
    "name": "Hello",
    "version": "0.1",
    "status": "default",
    "created_at": "2019-11-27T03:37:38.711Z",
    "creator": "dave",
    "tags": ["stable"],
    "last_downloaded_at": None,
    "conan": {"username": "mycompany", "channel": "stable"},
    "pipelines": [
        {
            "id": 123,
            "iid": 7,
            "status": "pending",
            "ref": "main",
            "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
            "source": "push",
            "created_at": "2016-08-11T11:28:34.085Z",
            "updated_at": "2016-08-11T11:32:35.169Z",
            "user": "dave",
        }
    ],
    "files": [
        {
            "file_name": "hello.tgz",
            "content": "inline text",
            "created_at": "2018-11-07T15:25:52.199Z",
            "pipelines": [123],
        },
        {"file_name": "big.bin", "path": "relative/big.bin"},
    ],
}


def plain(name: str, **changes: object) -> dict[str, object]:
    return {"project": "acme/anvil", "package_type": "npm", "name": name, "version": "1", **changes}


def text_file(content: str, **changes: object) -> dict[str, object]:
    return {"file_name": "a.txt", "content": content, **changes}


class Yard:
    """A catalogue with two projects, and what imports have put into it."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.context = context
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        settings = self.context.settings
        return {
            "PACKYARD_DATABASE_URL": settings.database_url.get_secret_value(),
            "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
            "PACKYARD_STORAGE_URL": settings.storage_url,
            "PATH": os.defpath,
        }

    async def load(
        self, *packages: Mapping[str, object], store: ObjectStore | None = None, max_errors: int | None = None
    ) -> tuple[int, int, list[str]]:
        """Import the packages; return how many packages and files went in, and what was refused."""
        done, files, refused = 0, 0, []
        reports = import_packages(
            self.context.database,
            store or self.context.store,
            lines=lines_of(packages),
            folder=Folder(self.folder),
            max_errors=max_errors,
        )
        async with aclosing(reports):
            async for report in reports:
                done, files = done + report.packages, files + report.files
                refused += [f"{refusal.line}: {refusal.reason}" for refusal in report.refusals]
        return done, files, refused

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.context.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    async def keys(self) -> set[str]:
        return {key for (key,) in await self.rows("SELECT storage_key FROM package_file")}

    def objects(self) -> set[str]:
        root = Path(self.context.settings.storage_url.removeprefix("file://"))
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


async def lines_of(packages: Sequence[Mapping[str, object]]) -> AsyncIterator[Line]:
    for number, package in enumerate(packages, start=1):
        yield Line(number, json.dumps(package).encode(), 0)


@pytest.fixture
async def yard(database_url: str, storage_url: str, tmp_path: Path) -> AsyncGenerator[Yard]:
    environment = {
        "PACKYARD_DATABASE_URL": database_url,
        "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
        "PACKYARD_STORAGE_URL": storage_url,
    }
    (tmp_path / "files/relative").mkdir(parents=True)
    (tmp_path / "files/relative/big.bin").write_bytes(b"x" * 3_000_000)
    (tmp_path / "directory.yaml").write_text(DIRECTORY)
    async with open_context(load_settings(environment=environment)) as context:
        await apply_directory(context.database, read_directory(tmp_path / "directory.yaml"))
        yield Yard(context, tmp_path / "files")


async def test_a_line_brings_all_that_it_says(yard: Yard) -> None:
    assert await yard.load(FULL) == (1, 2, [])

    package = """SELECT p.name, version, status, conan_username, conan_channel, u.username, p.created_at::text, t.name
        FROM package p JOIN directory_user u ON u.id = creator_id JOIN package_tag t ON t.package_id = p.id"""
    assert await yard.rows(package) == [
        ("Hello", "0.1", "default", "mycompany", "stable", "dave", "2019-11-27 03:37:38.711+00", "stable")
    ]
    files = """SELECT f.file_name, f.size, f.created_at::text, b.pipeline_id FROM package_file f
        LEFT JOIN package_file_build b ON b.package_file_id = f.id ORDER BY f.id"""
    assert await yard.rows(files) == [
        ("hello.tgz", 11, "2018-11-07 15:25:52.199+00", 123),
        ("big.bin", 3_000_000, "2019-11-27 03:37:38.711+00", None),
    ]
    pipeline = "SELECT id, iid, status, sha, updated_at::text FROM pipeline JOIN package_build ON pipeline_id = id"
    assert await yard.rows(pipeline) == [
        (123, 7, "pending", "a91957a858320c0e17f3a0eca7cfacbff50ea29a", "2016-08-11 11:32:35.169+00")
    ]
    assert yard.objects() == await yard.keys()


async def test_sizes_and_checksums_are_those_of_the_bytes(yard: Yard) -> None:
    await yard.load(plain("a", files=[text_file("grüße\0")]), plain("b", files=[text_file("")]))

    content = "grüße\0".encode()
    assert await yard.rows("SELECT size, md5, sha1, sha256 FROM package_file ORDER BY id") == [
        (
            len(data),
            hashlib.md5(data, usedforsecurity=False).digest(),
            hashlib.sha1(data, usedforsecurity=False).digest(),
            hashlib.sha256(data).digest(),
        )
        for data in (content, b"")
    ]


async def test_a_bad_line_is_reported_and_the_others_go_in(yard: Yard) -> None:
    (yard.folder / "out").symlink_to("/etc")

    result = await yard.load(
        plain("good-1", files=[text_file("1")]),
        plain("bad", project="acme/nowhere"),
        plain("bad", creator="nobody"),
        plain("bad", pipelines=[{"id": 1, "status": "s", "ref": "r", "sha": "a", "user": "nobody"}]),
        plain("bad", files=[text_file("2"), {"file_name": "b", "path": "missing"}]),
        plain("bad", files=[{"file_name": "b", "path": "out/passwd"}]),
        plain("bad", color="red"),
        plain("good-2", files=[text_file("3")]),
    )

    assert result == (
        2,
        2,
        [
            "2: there is no project acme/nowhere",
            "3: there is no user nobody",
            "4: there is no user nobody",
            "5: files[1].path: missing: no such file or directory",
            "6: files[0].path: out/passwd: leads out of the folder",
            "7: color: unknown key",
        ],
    )
    assert await yard.rows("SELECT name FROM package ORDER BY id") == [("good-1",), ("good-2",)]
    assert yard.objects() == await yard.keys()
    assert await yard.rows("SELECT * FROM pipeline") == []


async def test_importing_a_second_time_refuses_every_line_and_leaves_no_object(yard: Yard) -> None:
    lines = [plain("a", files=[text_file("1")]), plain("b", version=None, files=[text_file("2")]), FULL]
    await yard.load(*lines)
    before = yard.objects()

    done, files, refused = await yard.load(*lines)

    assert (done, files) == (0, 0)
    taken = "the project has a package of that type, name and version already"
    assert refused == [f"{number}: {taken}" for number in (1, 2, 3)]
    assert yard.objects() == before


async def test_of_two_lines_that_want_the_same_the_first_gets_it(yard: Yard) -> None:
    pipeline = {"id": 5, "status": "success", "ref": "main", "sha": "aa"}

    done, _, refused = await yard.load(
        plain("a", id=7, files=[text_file("1", id=9)], pipelines=[pipeline]),
        plain("a"),
        plain("b", id=7),
        plain("c", files=[text_file("2", id=9)]),
        plain("d", project="acme/other", pipelines=[pipeline]),
        plain("e", pipelines=[pipeline | {"status": "failed"}]),
        plain("a", status="error"),
        plain("a", project="acme/other"),
    )

    assert done == 4
    assert refused == [
        "2: the project has a package of that type, name and version already",
        "3: the package id 7 is taken",
        "4: files[0].id: the file id 9 is taken",
        "5: pipelines[0].id: pipeline 5 belongs to another project",
    ]
    assert await yard.rows("SELECT id, status FROM pipeline") == [(5, "failed")]
    assert yard.objects() == await yard.keys()


async def test_a_conan_recipe_is_part_of_the_name(yard: Yard) -> None:
    other = FULL | {"conan": {"username": "mycompany", "channel": "beta"}, "files": []}

    assert await yard.load(FULL, other, other) == (
        2,
        2,
        ["3: the project has a package of that type, name and version already"],
    )


async def test_every_status_can_be_imported_and_begins_no_deletion(yard: Yard) -> None:
    await yard.load(*(plain(status, status=status) for status in PackageStatus))

    assert await yard.rows("SELECT name FROM package WHERE name = status ORDER BY id") == [(s,) for s in PackageStatus]
    assert await yard.rows("SELECT * FROM deletion") == []


async def test_ids_follow_the_order_of_lines_and_stay_clear_of_chosen_ones(yard: Yard) -> None:
    await yard.load(plain("a"), plain("b", id=30_000), plain("c", files=[text_file("x", id=40_000)]))
    await yard.load(plain("d", files=[text_file("y"), text_file("z")]))

    ids = dict(await yard.rows("SELECT name, id FROM package"))
    assert ids["b"] == 30_000 < ids["a"] < ids["c"] < ids["d"]
    first, second, third = [number for (number,) in await yard.rows("SELECT id FROM package_file ORDER BY id")]
    assert first == 40_000 < second < third


async def test_many_batches_all_go_in(yard: Yard) -> None:
    assert await yard.load(*(plain(f"p{i}", files=[text_file(str(i))]) for i in range(1_201))) == (1_201, 1_201, [])

    assert await yard.rows("SELECT count(DISTINCT id), count(DISTINCT name) FROM package") == [(1_201, 1_201)]
    assert len(yard.objects()) == 1_201


class SlyStore(BucketStore):
    """The yard's store, beside which somebody publishes, or which fails, at the third object."""

    def __init__(self, yard: Yard, *, fails: bool) -> None:
        super().__init__(MemoryStore())
        self._yard = yard
        self._fails = fails
        self._count = 0

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        self._count += 1
        is_third = self._count == 3
        stored = await self._yard.context.store.put(key, chunks)
        if is_third and self._fails:
            raise StorageUnavailableError("the disk is full")
        if is_third:
            assert await self._yard.load(plain("p2", files=[text_file("theirs")])) == (1, 1, [])
        return stored

    @override
    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        return await self._yard.context.store.delete(keys)


async def test_who_publishes_meanwhile_costs_one_line_and_not_its_batch(yard: Yard) -> None:
    lines = [plain(f"p{i}", files=[text_file(str(i))]) for i in range(5)]

    done, _, refused = await yard.load(*lines, store=SlyStore(yard, fails=False))

    assert done == 4
    assert refused == ['3: the database refuses it: duplicate key value violates unique constraint "package_taken"']
    assert len(await yard.keys()) == 5
    assert yard.objects() == await yard.keys()


async def test_a_store_that_fails_ends_the_import_and_leaves_nothing_of_the_batch(yard: Yard) -> None:
    await yard.load(plain("before", files=[text_file("x")]))

    with pytest.raises(StorageUnavailableError):
        await yard.load(
            *(plain(f"p{i}", files=[text_file(str(i))]) for i in range(9)), store=SlyStore(yard, fails=True)
        )

    assert await yard.rows("SELECT name FROM package") == [("before",)]
    assert yard.objects() == await yard.keys()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="there is no such folder"):
        Folder(tmp_path / "nowhere")


async def start(yard: Yard, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.cli", "import", *arguments),
        env=yard.environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )


def written(*packages: Mapping[str, object]) -> bytes:
    return "".join(json.dumps(package) + "\n" for package in packages).encode()


async def test_the_command_reports_bad_lines_and_its_status_tells(yard: Yard, tmp_path: Path) -> None:
    file = tmp_path / "packages.ndjson"
    file.write_bytes(written(FULL) + b"\n{bad\n" + written(plain("b")))

    process = await start(yard, str(file), "--files-from", str(yard.folder))
    out, err = await process.communicate()

    assert process.returncode == 1
    assert out.decode() == "imported 2 packages, 2 files; 1 lines refused\n"
    assert err.decode() == f"{file}, line 3: invalid JSON: key must be a string at column 2\n"


@pytest.mark.parametrize(
    ("max_errors", "names"), [(0, ["a"]), (1, ["a", "b"]), (2, ["a", "b", "c"]), (None, ["a", "b", "c"])]
)
async def test_no_line_goes_in_behind_an_error_too_many(yard: Yard, max_errors: int | None, names: list[str]) -> None:
    no_project = plain("x", project="acme/none")

    done, _, refused = await yard.load(
        plain("a"), plain("a", versoin="2"), plain("b"), no_project, plain("c"), max_errors=max_errors
    )

    assert (done, await yard.rows("SELECT name FROM package ORDER BY name")) == (
        len(names),
        [(name,) for name in names],
    )
    assert len(refused) == min(2, 3 if max_errors is None else max_errors + 1)


async def test_the_command_stops_after_too_many_errors(yard: Yard, tmp_path: Path) -> None:
    file = tmp_path / "packages.ndjson"
    file.write_bytes(b"{bad\n" * 1_000)

    process = await start(yard, str(file), "--max-errors", "1")
    out, err = await process.communicate()

    summary = "imported 0 packages, 0 files; 2 lines refused (stopped before the end: more than 1 refused)\n"
    assert (process.returncode, out.decode(), err.count(b"\n")) == (1, summary, 2)


async def test_the_command_reads_standard_input(yard: Yard) -> None:
    process = await start(yard, "-")
    out, err = await process.communicate(written(plain("a", files=[text_file("x")])))

    assert (process.returncode, out, err) == (0, b"imported 1 packages, 1 files; 0 lines refused\n", b"")


async def test_a_binary_file_is_refused_with_one_line(yard: Yard, tmp_path: Path) -> None:
    file = tmp_path / "packages.ndjson.gz"
    file.write_bytes(gzip.compress(written(plain("a"))))

    process = await start(yard, str(file))
    out, err = await process.communicate()

    reason = f"packyard: {file}: this is not NDJSON: it should be one JSON object a line\n"
    assert (process.returncode, out, err.decode()) == (1, b"", reason)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere.ndjson"], "packyard: nowhere.ndjson: no such file or directory"),
        (["/"], "packyard: /: is a directory"),
        (["-", "--files-from", "nowhere"], "packyard: nowhere: there is no such folder"),
    ],
)
async def test_what_is_not_there_is_named_in_one_line(yard: Yard, arguments: Sequence[str], line: str) -> None:
    process = await start(yard, *arguments)
    _, err = await process.communicate()

    assert (process.returncode, err.decode()) == (1, line + "\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_command_that_is_stopped_leaves_whole_lines_only(yard: Yard, number: signal.Signals) -> None:
    process = await start(yard, "-")
    assert process.stdin is not None
    process.stdin.write(written(*(plain(f"p{i}", files=[text_file(str(i))]) for i in range(BATCH_LINES * 5 // 2))))
    await process.stdin.drain()
    async with asyncio.timeout(20):
        while len(yard.objects()) < BATCH_LINES * 7 // 5:
            await asyncio.sleep(0.01)

    process.send_signal(number)
    out, _ = await process.communicate()

    assert process.returncode == 1
    assert out.decode().endswith("(stopped before the end)\n")
    assert await yard.rows("SELECT count(*) FROM package WHERE id NOT IN (SELECT package_id FROM package_file)") == [
        (0,)
    ]
    assert yard.objects() == await yard.keys()


async def test_a_database_that_goes_away_is_named_in_one_line(yard: Yard) -> None:
    process = await start(yard, "-")
    assert process.stdin is not None
    process.stdin.write(written(*(plain(f"p{i}") for i in range(BATCH_LINES))))
    await process.stdin.drain()
    async with asyncio.timeout(20):
        while await yard.rows("SELECT count(*) FROM package") != [(BATCH_LINES,)]:
            await asyncio.sleep(0.02)

    await end_connections(yard.context.settings.database_url.get_secret_value())
    out, err = await process.communicate(written(*(plain(f"q{i}", files=[text_file("x")]) for i in range(BATCH_LINES))))

    assert process.returncode == 1
    assert out.decode() == f"imported {BATCH_LINES} packages, 0 files; 0 lines refused (stopped before the end)\n"
    assert err.decode().startswith("packyard: PACKYARD_DATABASE_URL: the database failed: ")
    assert err.count(b"\n") == 1
    assert yard.objects() == set()


async def end_connections(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.close()
    connection = await asyncpg.connect(database_url, database="postgres")
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await connection.close()
