"""The files for watching Packyard: the alert rules and the dashboard, and the expressions in them."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML

from tests.support.paths import ROOT

FILES: Final = ROOT / "deploy" / "chart" / "files"
ALERTS: Final = FILES / "alerts.yaml"
DASHBOARD: Final = FILES / "dashboard.json"

FROM_SCRAPING: Final = frozenset({"namespace", "pod", "instance", "job"})
"""Labels that Prometheus adds to everything that it scrapes."""

_IN_BRACES: Final = re.compile(r"\{([^}]*)\}")
_LABEL: Final = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_NAME: Final = re.compile(r"\b(?:packyard|process)_[a-z_]+")
_GROUPING: Final = re.compile(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)")


def alert_rules() -> list[dict[str, Any]]:
    """Return every alert rule."""
    document: dict[str, Any] = YAML(typ="safe").load(ALERTS)
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Return (its place, expression) for all, the dashboard's with values for its variables."""
    for rule in alert_rules():
        yield rule["alert"], rule["expr"]
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "5m").replace("$namespace", ".*")
            yield f"panel {panel['title']}", text


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression asks for."""
    return set(_NAME.findall(_IN_BRACES.sub("", expression)))


def labels_in(expression: str) -> set[str]:
    """Return the labels by which an expression selects or groups."""
    selecting = {label for braces in _IN_BRACES.findall(expression) for label in _LABEL.findall(braces)}
    grouping = {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}
    return (selecting | grouping) - {""}
