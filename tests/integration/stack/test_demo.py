"""The demo: what it fills an empty yard with, and whose tokens are good in it."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typing_extensions import override

from service.context import Context
from service.digests import token_digest
from service.settings import Settings
from tests.support.catalogue import query
from workers.stack.demo import Demo
from workers.stack.plan import StackPlan
from workers.stack.reporter import Reporter
from workers.stack.state import StackState

_USERS = ("root", "owner", "maintainer", "developer", "reporter", "guest", "external")
_WELL_KNOWN = [token_digest(f"demo-{name}-token") for name in (*_USERS, "deploy")]


def _plan(settings: Settings, folder: Path, **changed: Any) -> StackPlan:
    settings = Settings.model_validate(settings.model_dump() | changed)
    state = StackState(folder / "stack.json")
    return StackPlan(folder, {}, settings, postgres=None, rabbitmq=None, health_ports={}, state=state)


class _Terminal(StringIO):
    """Keeps each write, as another process would find them one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    @override
    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


async def _start(plan: StackPlan) -> str:
    """Do what a start of the yard does about the demo; return what it writes."""
    written = _Terminal()
    demo = Demo(plan, Reporter(Console(file=written, width=200)), plan.folder / "packyard.env")
    await demo.set_tokens()
    await demo.fill(plan.folder)
    await demo.explain()
    (ready,) = [text for text in written.writes if "Packyard is ready" in text]
    assert "curl" in ready, "a reader of the first line does not find the commands yet"
    return written.getvalue()


async def _good(context: Context) -> list[bytes]:
    tables = ("access_token", "deploy_token")
    select = " UNION ALL ".join(f"SELECT digest FROM {table} WHERE revoked_at IS NULL" for table in tables)  # noqa: S608
    return [row["digest"] for row in await query(context, select)]


async def test_an_empty_yard_gets_a_hundred_packages_and_whatever_else_can_be_tried(
    context: Context, settings: Settings, tmp_path: Path
) -> None:
    written = await _start(_plan(settings, tmp_path))
    again = await _start(_plan(settings, tmp_path))

    assert "not complete" not in written
    assert "packages published" in written
    assert "open it in a browser; sign in with demo-maintainer-token" in written
    assert "other users: demo-root-token, demo-owner-token, demo-developer-token, demo-reporter-token" in written
    assert "packages published" not in again
    kinds = await query(context, "SELECT package_type, count(*) FROM package GROUP BY 1 ORDER BY 1")
    assert [row["package_type"] for row in kinds] == ["generic", "maven", "npm", "pypi"]
    assert sum(row["count"] for row in kinds) >= 100
    (deletion,) = await query(context, "SELECT package_name, state FROM deletion")
    assert tuple(deletion.values()) == ("@orchard/worm", "queued")
    rules = await query(context, "SELECT package_name_pattern FROM protection_rule ORDER BY 1")
    assert [row["package_name_pattern"] for row in rules] == ["@orchard/core", "@orchard/worm"]
    (hold,) = await query(context, "SELECT path FROM project WHERE deletion_hold IS NOT NULL")
    assert hold["path"] == "orchard/archive"
    (grace,) = await query(context, "SELECT path FROM project WHERE grace_period = interval '2 minutes'")
    assert grace["path"] == "orchard/press/juice"


@pytest.mark.parametrize(
    ("changed", "is_exposed"),
    [
        ({}, False),
        ({"host": ("127.0.0.1", "::1", "localhost")}, False),
        ({"host": ("0.0.0.0",)}, True),  # noqa: S104 - what is tested
        ({"host": ("127.0.0.1", "192.0.2.1")}, True),
        ({"host": ("example.com",)}, True),
        ({"external_url": "https://packages.example.com"}, True),
    ],
)
def test_a_yard_is_exposed_when_others_can_reach_it(
    settings: Settings, tmp_path: Path, changed: dict[str, Any], *, is_exposed: bool
) -> None:
    assert _plan(settings, tmp_path, **changed).is_exposed is is_exposed


async def test_an_exposed_yard_has_tokens_that_were_drawn_by_chance(
    context: Context, settings: Settings, tmp_path: Path
) -> None:
    written = await _start(_plan(settings, tmp_path, host=("0.0.0.0",)))  # noqa: S104 - what is tested

    good = await _good(context)
    assert len(good) == len(_WELL_KNOWN)
    assert set(good).isdisjoint(_WELL_KNOWN)
    listed = [line.split() for line in written.splitlines() if line.startswith("  ") and "demo-" in line]
    assert {token_digest(token) for _, token in listed} == set(good)


async def test_a_yard_that_was_filled_here_serves_no_well_known_token_once_it_is_exposed(
    context: Context, settings: Settings, tmp_path: Path
) -> None:
    await _start(_plan(settings, tmp_path))
    assert sorted(await _good(context)) == sorted(_WELL_KNOWN)
    await query(context, "UPDATE access_token SET revoked_at = now() WHERE user_id = 1")

    await _start(_plan(settings, tmp_path, host=("0.0.0.0",)))  # noqa: S104 - what is tested
    exposed = await _good(context)
    await _start(_plan(settings, tmp_path))

    assert len(exposed) == len(_WELL_KNOWN) - 1
    assert set(exposed).isdisjoint(_WELL_KNOWN)
    assert sorted(await _good(context)) == sorted(_WELL_KNOWN[1:])


async def test_the_demo_takes_nothing_from_users_who_are_there(
    context: Context, settings: Settings, tmp_path: Path
) -> None:
    await query(context, "INSERT INTO directory_user (id, username, name, admin) VALUES (1, 'boss', 'Boss', true)")

    written = await _start(_plan(settings, tmp_path))

    assert "the demo is not complete: the users here are not the demo's: it would ~ user boss -> root (id 1)" in written
    assert "sign in with" not in written
    assert "other users" not in written
    assert [row["username"] for row in await query(context, "SELECT username FROM directory_user")] == ["boss"]
