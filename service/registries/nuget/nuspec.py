"""The nuspec of a package: what it is, and what it depends on."""

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from pydantic import BaseModel, BeforeValidator, ConfigDict

from service.refusals import ValidationFailedError
from service.registries.nuget.versions import NuGetVersion, is_range

_LONGEST_ID: Final = 100
_LONGEST: Final = 255
_LONGEST_TEXT: Final = 4_000
_PIECE: Final = 16 * 1024
_MOST_TAGS: Final = 10_000
"""The parser takes about 10 us for each."""
_LARGEST_DEPENDENCIES: Final = 64 * 1024
"""Characters of all dependencies, as they are kept."""
_ID: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._+-]{{0,{_LONGEST_ID - 1}}}")
_URL: Final = re.compile(r"https?://[^\s\"<>\\^`{|}]+", re.IGNORECASE)
_ANY_VERSION: Final = "(, )"
_SYMBOLS: Final = "SymbolsPackage"


def _cut_to(length: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:length] if isinstance(value, str) else value)


_Short = Annotated[str | None, _cut_to(_LONGEST)]
_Long = Annotated[str | None, _cut_to(_LONGEST_TEXT)]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class NuspecDependency(_Kept):
    """A package that is needed, and which versions of it will do."""

    id: str
    range: str


class NuspecDependencies(_Kept):
    """The dependencies of one target framework; without one, those of all."""

    target_framework: str | None = None
    dependencies: tuple[NuspecDependency, ...] = ()


class Nuspec(_Kept):
    """The facts of a nuspec that are kept with the file; long texts are cut, as GitLab does."""

    id: str
    version: str
    title: _Short = None
    authors: _Short = None
    summary: _Long = None
    description: _Long = None
    tags: _Long = None
    project_url: str | None = None
    license_url: str | None = None
    icon_url: str | None = None
    dependency_groups: tuple[NuspecDependencies, ...] = ()
    package_types: tuple[str, ...] = ()

    @property
    def is_of_symbols(self) -> bool:
        """Whether the package has symbols for another one."""
        return _SYMBOLS in self.package_types

    @property
    def file_stem(self) -> str:
        """The name under which its file is kept, however it was sent, without a suffix."""
        return f"{self.id}.{self.version}".lower()


def read_nuspec(written: bytes) -> Nuspec:
    """Read a nuspec; this takes up to a second, so it belongs into a thread.

    Raises:
        ValidationFailedError: it is no XML, or breaks a rule.
    """
    metadata = _child(_parsed(written), "metadata")
    if metadata is None:
        raise ValidationFailedError("Nuspec has no metadata")
    name, version = _text(metadata, "id") or "", _text(metadata, "version") or ""
    if not _ID.fullmatch(name):
        raise ValidationFailedError("Name is invalid")
    if NuGetVersion.parse(version) is None:
        raise ValidationFailedError("Version is invalid")
    return Nuspec(
        id=name,
        version=version,
        title=_text(metadata, "title"),
        authors=_text(metadata, "authors"),
        summary=_text(metadata, "summary"),
        description=_text(metadata, "description"),
        tags=" ".join((_text(metadata, "tags") or "").split()) or None,
        project_url=_url(metadata, "projectUrl"),
        license_url=_url(metadata, "licenseUrl"),
        icon_url=_url(metadata, "iconUrl"),
        dependency_groups=_dependency_groups(metadata),
        package_types=_package_types(metadata),
    )


def _parsed(written: bytes) -> Element:
    is_wide = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        # The declared encoding is never resolved: some codecs take minutes, and Python keeps unknown names for ever.
        text = written.decode("utf-16" if is_wide else "utf-8-sig")
        if text.count("<") > _MOST_TAGS:
            raise ValidationFailedError(f"Nuspec has too many tags (maximum is {_MOST_TAGS})")
        parser = DefusedXMLParser(forbid_dtd=True)
        # Other threads run between the pieces.
        for start in range(0, len(text), _PIECE):
            parser.feed(text[start : start + _PIECE])
        root: Element = parser.close()
    except DefusedXmlException:
        raise ValidationFailedError("Nuspec should have no document type and no entities") from None
    except (ParseError, ValueError):
        raise ValidationFailedError("Nuspec is no XML that can be read") from None
    return root


def _local_name(element: Element) -> str:
    # The namespace depends on the version of the tool that wrote the nuspec.
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local_name(child) == name)


def _child(element: Element, name: str) -> Element | None:
    return next(_children(element, name), None)


def _text(element: Element, name: str) -> str | None:
    child = _child(element, name)
    return (None if child is None else (child.text or "").strip()) or None


def _url(metadata: Element, name: str) -> str | None:
    url = _text(metadata, name)
    if url is not None and (len(url) > _LONGEST or not _URL.fullmatch(url)):
        raise ValidationFailedError(
            f"Nuspec: {name} should be an http or https address of at most {_LONGEST} characters"
        )
    return url


def _package_types(metadata: Element) -> tuple[str, ...]:
    around = _child(metadata, "packageTypes")
    found = [] if around is None else list(_children(around, "packageType"))
    return tuple(element.get("name", "")[:_LONGEST] for element in found[:10])


def _dependency_groups(metadata: Element) -> tuple[NuspecDependencies, ...]:
    around = _child(metadata, "dependencies")
    if around is None:
        return ()
    bare = _dependencies(around)
    groups = [
        NuspecDependencies(target_framework=_framework(group), dependencies=_dependencies(group))
        for group in _children(around, "group")
    ]
    found = (*([NuspecDependencies(dependencies=bare)] if bare else ()), *groups)
    if sum(len(group.model_dump_json()) for group in found) > _LARGEST_DEPENDENCIES:
        raise ValidationFailedError("Nuspec has too many dependencies (maximum is 64 KiB)")
    return found


def _framework(group: Element) -> str | None:
    framework = (group.get("targetFramework") or "").strip()
    if len(framework) > _LONGEST:
        raise ValidationFailedError(f"Nuspec: a target framework should have at most {_LONGEST} characters")
    return framework or None


def _dependencies(around: Element) -> tuple[NuspecDependency, ...]:
    return tuple(_dependency(element) for element in _children(around, "dependency"))


def _dependency(element: Element) -> NuspecDependency:
    name, versions = element.get("id", "").strip(), element.get("version", "").strip()
    if not _ID.fullmatch(name):
        raise ValidationFailedError("Nuspec: the id of a dependency is invalid")
    if versions and not is_range(versions):
        raise ValidationFailedError(f"Nuspec: the version of the dependency {name} is invalid")
    return NuspecDependency(id=name, range=versions or _ANY_VERSION)
