"""How to install a package: the lines for its package managers, with the address of this service."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote

from schemas.names import PackageType

_CHANNEL: Final = "stable"
"""A channel belongs to a file of a chart. Most charts are in this one."""


@dataclass(frozen=True, slots=True)
class Installable:
    """A package of a project, as lines name it."""

    base: str
    """The address of the project's packages, without a slash at its end."""
    name: str
    version: str
    file_name: str
    """A file of the package; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """Lines to copy, and the program that takes them."""

    program: str
    lines: str


_Lines: TypeAlias = Callable[[Installable], Sequence[Instruction]]


def instructions(package_type: PackageType, package: Installable) -> Sequence[Instruction]:
    """Return how the package managers of the type install it; nothing for types that are only downloaded by hand."""
    return _OF_TYPES.get(package_type, _nothing)(package)


def _nothing(_: Installable) -> Sequence[Instruction]:
    return ()


def _pypi(package: Installable) -> Sequence[Instruction]:
    line = _line("install", "--index-url", f"{package.base}/pypi/simple", f"{package.name}=={package.version}")
    return Instruction("pip", f"pip {line}"), Instruction("uv", f"uv pip {line}")


def _npm(package: Installable) -> Sequence[Instruction]:
    registry, wanted = f"{package.base}/npm/", f"{package.name}@{package.version}"
    scope = package.name.partition("/")[0]
    if not (scope.startswith("@") and scope != package.name):
        line = _line("--registry", registry, wanted)
        return Instruction("npm", f"npm install {line}"), Instruction("pnpm", f"pnpm add {line}")
    setting = _line("config", "set", f"{scope}:registry={registry}")
    return (
        Instruction("npm", f"npm {setting}\nnpm install {_line(wanted)}"),
        Instruction("pnpm", f"pnpm {setting}\npnpm add {_line(wanted)}"),
    )


def _maven(package: Installable) -> Sequence[Instruction]:
    group, _, artifact = package.name.rpartition("/")
    repository = f"{package.base}/maven"
    coordinates = ("groupId", group.replace("/", ".")), ("artifactId", artifact), ("version", package.version)
    dependency = "\n".join(f"  <{name}>{escape(value)}</{name}>" for name, value in coordinates)
    return (
        Instruction(
            "Maven",
            f"<repository>\n  <id>packyard</id>\n  <url>{escape(repository)}</url>\n</repository>\n\n"
            f"<dependency>\n{dependency}\n</dependency>",
        ),
        Instruction(
            "Gradle",
            f"maven {{ url = uri({_quoted(repository)}) }}\n\n"
            f"implementation({_quoted(':'.join(value for _, value in coordinates))})",
        ),
    )


def _nuget(package: Installable) -> Sequence[Instruction]:
    source = f"{package.base}/nuget/index.json"
    return (
        Instruction("nuget", f"nuget install {_line(package.name, '-Version', package.version, '-Source', source)}"),
        Instruction(
            "dotnet",
            f"dotnet nuget add source {_line(source, '--name', 'packyard')}\n"
            f"dotnet add package {_line(package.name, '--version', package.version)}",
        ),
    )


def _helm(package: Installable) -> Sequence[Instruction]:
    add = _line("repo", "add", "packyard", f"{package.base}/helm/{_CHANNEL}")
    install = _line("install", package.name, f"packyard/{package.name}", "--version", package.version)
    return (Instruction("helm", f"helm {add}\nhelm {install}"),)


def _generic(package: Installable) -> Sequence[Instruction]:
    if not package.file_name:
        return ()
    parts = (quote(part, safe="") for part in (package.name, package.version))
    # Sub-directories are a part of the file's name, which is percent-encoded already.
    address = "/".join((package.base, "generic", *parts, quote(package.file_name, safe="%")))
    return (Instruction("curl", f"curl --fail --location --remote-name {_line(address)}"),)


def _line(*words: str) -> str:
    """Return words of a command; a name that somebody chose cannot become a command of its own."""
    return " ".join(shlex.quote(word) for word in words)


def _quoted(text: str) -> str:
    """Return the text between double quotes, as Gradle reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


_OF_TYPES: Final[Mapping[PackageType, _Lines]] = MappingProxyType(
    {
        PackageType.PYPI: _pypi,
        PackageType.NPM: _npm,
        PackageType.MAVEN: _maven,
        PackageType.NUGET: _nuget,
        PackageType.HELM: _helm,
        PackageType.GENERIC: _generic,
    }
)
