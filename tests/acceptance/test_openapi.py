"""The OpenAPI document holds: schemathesis makes requests of it, good and bad, and checks every answer."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from schemas.names import PackageType
from tests.support.catalogue import DIRECTORY
from tests.support.yard import Yard
from workers.stack.processes import inherited

_FOLDER: Final = Path(__file__).parent
_ROOT: Final = _FOLDER.parents[1]
_SECONDS: Final = int(os.environ.get("SCHEMATHESIS_SECONDS", "40"))  # noqa: TID251 - of the trial, not of the service
_SEED: Final = os.environ.get("SCHEMATHESIS_SEED", "1")  # noqa: TID251 - likewise; the same unless another is wanted


def _packages() -> list[dict[str, object]]:
    pipeline = {"status": "success", "ref": "main", "sha": "2f1b3c", "user": "mary"}
    return [
        {
            "project": project,
            "package_type": package_type,
            "name": f"part-{number % 5}",
            "version": f"1.{number}.0",
            "tags": ["stable"],
            "pipelines": [{"id": project_number * 1_000 + number, **pipeline}],
            "files": [{"file_name": f"{index}.txt", "content": "text"} for index in range(3)],
        }
        for project_number, project in enumerate(["acme/open", "secret/vault"], start=1)
        for number, package_type in enumerate([*PackageType] * 4)
    ]


@pytest.mark.clients
@pytest.mark.timeout(_SECONDS + 120)
async def test_every_answer_is_one_that_the_document_describes(yard: Yard) -> None:
    lines = yard.folder / "packages.ndjson"
    lines.write_text("".join(json.dumps(package) + "\n" for package in _packages()), encoding="utf-8")
    await yard.start("serve")
    await yard.run("directory", "apply", str(DIRECTORY))
    await yard.run("import", str(lines))

    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        *("--config-file", _FOLDER / "schemathesis.toml", "run", f"{yard.base_url}/api/openapi.json"),
        *("--header", "PRIVATE-TOKEN: maintainer-token", "--checks", "all", "--max-time", str(_SECONDS)),
        *("--seed", _SEED),
        *("--continue-on-failure", "--no-color"),
        cwd=yard.folder,
        env={
            **inherited(),
            "SCHEMATHESIS_HOOKS": "tests.acceptance.schemathesis_hooks",
            "PYTHONPATH": str(_ROOT),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS + 60):
        said = (await process.communicate())[0].decode()

    print(said[said.find("SUMMARY") :])  # noqa: T201 - how much was tried
    assert process.returncode == 0, said
    assert "request_failed" not in yard.log("serve")


async def test_the_page_needs_nothing_from_elsewhere(yard: Yard) -> None:
    await yard.start("serve")
    async with aiohttp.ClientSession(yard.base_url) as session:
        page = (await _body(session, "/api/docs")).decode()
        named = [part.split('"')[0] for part in page.replace('href="', 'src="').split('src="')[1:]]
        bodies = {path: await _body(session, path) for path in named if path.startswith("/")}

    assert any("swagger-ui-bundle" in path for path in named)
    assert all(path.startswith(("/", "#")) and not path.startswith("//") for path in named)
    assert all(bodies.values())
    assert 'data-document="/api/openapi.json"' in page


async def _body(session: aiohttp.ClientSession, path: str) -> bytes:
    async with session.get(path, headers={"Accept": "text/html, */*"}, raise_for_status=True) as answer:
        return await answer.read()
