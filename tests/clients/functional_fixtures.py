"""Fixtures for the functional tests that python-gitlab ships: its own make projects and groups, these find some.

A plugin of pytest, in an environment that has python-gitlab.
"""

from types import SimpleNamespace
from typing import Any

import gitlab  # type: ignore[import-not-found]  # it is in the clients' own environment
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the address of the service, and a token."""
    parser.addoption("--service-url")
    parser.addoption("--service-token")


@pytest.fixture(scope="session")
def gl(request: pytest.FixtureRequest) -> Any:
    """The client. The instance has no feature flags: what they switch on is there."""
    url, token = (request.config.getoption(name) for name in ("--service-url", "--service-token"))
    client = gitlab.Gitlab(url, private_token=token)
    client.auth()
    client.features = SimpleNamespace(set=lambda **_flag: None)
    return client


@pytest.fixture(scope="session")
def project(gl: Any) -> Any:
    """A project that is there."""
    return gl.projects.get("orchard/apples")


@pytest.fixture(scope="session")
def group(gl: Any) -> Any:
    """A group that is there."""
    return gl.groups.get("orchard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run also what its makers skip until they have released it."""
    for item in items:
        item.own_markers = [mark for mark in item.own_markers if mark.name != "skip"]
