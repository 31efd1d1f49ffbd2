"""The route on the page for contributors is served, checked and documented as it is written there."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service import app
from service.context import Context
from tests.support.packages import MAINTAINER

_PAGE: Final = Path(__file__).parents[3] / "docs" / "contributing" / "adding.md"
_PATH: Final = "/api/v4/projects/101/package_count"


async def test_the_route_on_the_page_for_contributors_works(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    written: dict[str, Any] = {"__name__": "written"}
    exec(block, written)  # noqa: S102 - a block of a page of ours
    monkeypatch.setattr(app, "ROUTES", (*app.ROUTES, written["routes"]))

    async with TestClient(TestServer(app.create_app(filled))) as client:
        counted = await client.get(_PATH, headers=MAINTAINER)
        refused = await client.get(_PATH.replace("101", "999"), headers=MAINTAINER)
        document = await (await client.get("/api/openapi.json")).json()
        bodies = [await counted.json(), await refused.json()]

    assert (counted.status, refused.status) == (200, 404)
    assert bodies == [{"packages": 0}, {"message": "404 Project Not Found"}]
    described = document["paths"]["/api/v4/projects/{id}/package_count"]["get"]
    assert described["summary"] == "Count the packages of a project"
    assert {"200", "301", "401", "403", "404", "503"} <= described["responses"].keys()
