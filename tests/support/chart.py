"""The Helm chart: rendered as a user would. `python -m tests.support.chart` writes anew what follows from it."""

import json
import subprocess
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, Final, TypeAlias

import click
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tests.support.paths import ROOT
from tests.support.settings_schema import settings_schema
from workers.cli import main

Manifest: TypeAlias = dict[str, Any]

CHART: Final = ROOT / "deploy" / "chart"
VALUES_PAGE: Final = ROOT / "docs" / "reference" / "chart.md"
DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"
EXAMPLES: Final = ("small", "production", "bring-your-own")
GOLDEN: Final = ROOT / "tests" / "deployment" / "golden"
EXTRAS: Final = (
    "extraEnv",
    "extraEnvFrom",
    "extraVolumes",
    "extraVolumeMounts",
    "podAnnotations",
    "podLabels",
    "affinity",
    "initContainers",
    "sidecars",
)
"""Values that all pods share, and that each process may have in its own place, too."""
CHECKERS: Final = ROOT / ".checkers" / "bin"
"""Made by `make checkers`."""

_BEGIN: Final = "<!-- generated from values.schema.json and values.yaml by `make chart` -->\n"
_END: Final = "<!-- end of generated -->\n"
_PATIENCE_S: Final = 60
_WIDTH: Final = 118
_HEAD: Final = "# The comment above a value is its meaning in values.schema.json; `make chart` writes these comments."


def render(example: str, *options: str) -> str:
    """Return what Helm makes of an example with further *options* such as `--set a=b`.

    Raises:
        ChartError: Helm refuses, with what it says.
    """
    return helm(
        "template",
        "packyard",
        "--namespace",
        "packyard",
        "--values",
        str(CHART / "examples" / f"{example}.yaml"),
        *options,
    )


def helm(command: str, *options: str) -> str:
    """Run Helm on the chart and return its output; a release comes first among the options."""
    release = options[:1] if command == "template" else ()
    arguments = [str(CHECKERS / "helm"), command, *release, str(CHART), *options[len(release) :]]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        raise ChartError(done.stderr + done.stdout)
    return done.stdout


class ChartError(Exception):
    """Helm refused."""


def read_manifests(text: str) -> list[Manifest]:
    """Return the objects of a text of many."""
    return [manifest for manifest in YAML(typ="safe").load_all(text) if manifest]


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Give each kind of pod: its component and its spec."""
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job"} and "metadata" in (template := manifest["spec"]["template"]):
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]


def parsed_command(arguments: Sequence[str]) -> list[str]:
    """Return which command of packyard that is, after it has taken every argument."""
    command: click.Command = main
    path, rest = [], list(arguments)
    while isinstance(command, click.Group):
        path.append(rest.pop(0))
        inner = command.get_command(click.Context(command), path[-1])
        assert inner is not None, f"there is no command {' '.join(path)}"
        command = inner
    command.make_context(path[-1], rest)
    return path


def golden(example: str) -> str:
    """Return what is kept of a rendered example: all but the alert rules and the dashboard, which are files already."""
    kept = []
    for document in render(example).split("\n---\n"):
        if "\nkind: PrometheusRule\n" in document:
            kept.append(document.partition("\nspec:\n")[0] + "\nspec: (files/alerts.yaml)")
        elif "\n  packyard.json: |-\n" in document:
            kept.append(document.partition("\n  packyard.json: |-\n")[0] + "\n  packyard.json: (files/dashboard.json)")
        else:
            kept.append(document.rstrip())
    return "\n---\n".join(kept) + "\n"


def page_of_values() -> str:
    """Return the reference of the chart's values, with the table as it should be."""
    before, _, rest = VALUES_PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = ["| value | default | meaning |", "|---|---|---|", *_rows()]
    return before + _BEGIN + "\n" + "\n".join(rows) + "\n\n" + _END + after


def values_schema() -> str:
    """Return the schema of all values, with that of `settings` as the code has it."""
    schema = read_schema()
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def values_file() -> str:
    """Return values.yaml as it should be: each value below its meaning, which the schema has."""
    defaults = YAML(typ="safe").load(CHART / "values.yaml")
    return "\n".join([_HEAD, *_commented(read_schema()["properties"], defaults)]) + "\n"


def read_schema() -> Manifest:
    """Return the schema of all values."""
    schema: Manifest = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return schema


def _commented(properties: Mapping[str, Any], defaults: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, schema in properties.items():
        if name not in defaults:
            continue
        if not indent:
            yield ""
        prefix = f"{indent}# "
        yield textwrap.fill(
            schema["description"],
            _WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if "properties" in schema:
            yield f"{indent}{name}:"
            yield from _commented(schema["properties"], defaults[name], indent + "  ")
        else:
            yield textwrap.indent(_written(name, defaults[name]), indent)


def _written(name: str, value: object) -> str:
    written, yaml = StringIO(), YAML()
    yaml.default_flow_style = None
    yaml.width = 4 * _WIDTH
    yaml.indent(sequence=4, offset=2)
    root = CommentedMap({name: _quoted(value)})
    root.fa.set_block_style()
    yaml.dump(root, written)
    return written.getvalue().rstrip("\n")


def _quoted(value: object) -> object:
    """Return *value* with those texts in quotes that another reader of YAML might take for something else."""
    if isinstance(value, str):
        return DoubleQuotedScalarString(value) if value == "" or ":" in value else value
    if isinstance(value, list):
        return [_quoted(element) for element in value]
    return {name: _quoted(part) for name, part in value.items()} if isinstance(value, dict) else value


def _rows() -> Iterator[str]:
    yield from _rows_below("", read_schema()["properties"], YAML(typ="safe").load(CHART / "values.yaml"))


def _rows_below(place: str, properties: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in properties.items():
        if name not in defaults:
            continue
        path, default = f"{place}{name}", defaults[name]
        inner = schema.get("properties")
        yield f"| `{path}` | {'' if inner else f'`{json.dumps(default)}`'} | {schema['description']} |"
        if inner:
            yield from _rows_below(f"{path}.", inner, default)


def _write_anew() -> None:
    (CHART / "values.schema.json").write_text(values_schema(), encoding="utf-8")
    (CHART / "values.yaml").write_text(values_file(), encoding="utf-8")
    VALUES_PAGE.write_text(page_of_values(), encoding="utf-8")
    GOLDEN.mkdir(exist_ok=True)
    for example in EXAMPLES:
        (GOLDEN / f"{example}.yaml").write_text(golden(example), encoding="utf-8")


if __name__ == "__main__":
    _write_anew()
