"""The lines of an import file, each one package."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from schemas import generic_names
from schemas.base import Contract
from schemas.fields import FileName, Identifier, Moment, ProjectPath, Text, Username
from schemas.names import PackageType
from schemas.statuses import PackageStatus


class _Line(Contract):
    # Strict, for JSON has numbers and texts of its own: "1" is not an id, 1 not a name.
    model_config = ConfigDict(strict=True)


def _check_distinct(values: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    if len(set(values)) < len(values):
        raise ValueError("should not repeat anything")
    return values


def _check_relative(path: str) -> str:
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("should be a path below --files-from")
    if any(ord(character) < ord(" ") for character in path):
        raise ValueError("should not hold control characters")
    return path


_RelativePath = Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(_check_relative)]
_Distinct = AfterValidator(_check_distinct)


class ImportedPipeline(_Line):
    """A pipeline that built the package; one that is known already is brought up to date."""

    id: Identifier
    iid: Identifier | None = None
    status: Text
    ref: Text
    sha: Text
    source: Text | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    user: Username | None = None


class ImportedFile(_Line):
    """A file of the package, with its bytes or with where they are."""

    id: Identifier | None = None
    file_name: FileName
    content: str | None = None
    path: _RelativePath | None = None
    created_at: Moment | None = None
    pipelines: Annotated[tuple[Identifier, ...], _Distinct] = ()

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.content is None) == (self.path is None):
            raise ValueError("should have either content or path")
        return self


class ConanRecipe(_Line):
    """The fields of a conan package beside name and version."""

    username: Text
    channel: Text


class ImportedPackage(_Line):
    """A package, as one line of an import file says it."""

    project: ProjectPath
    package_type: PackageType
    name: Text
    version: Text | None = None
    id: Identifier | None = None
    status: PackageStatus = PackageStatus.DEFAULT
    created_at: Moment | None = None
    creator: Username | None = None
    tags: Annotated[tuple[Text, ...], _Distinct] = ()
    last_downloaded_at: Moment | None = None
    conan: ConanRecipe | None = None
    pipelines: tuple[ImportedPipeline, ...] = ()
    files: tuple[ImportedFile, ...] = ()

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.conan and self.package_type is not PackageType.CONAN:
            raise ValueError("conan is for packages of type conan only")
        pipelines = _distinct_ids("pipelines", (pipeline.id for pipeline in self.pipelines))
        _distinct_ids("files", (file.id for file in self.files if file.id is not None))
        for position, file in enumerate(self.files):
            if foreign := set(file.pipelines) - pipelines:
                raise ValueError(f"files[{position}].pipelines: {min(foreign)} is none of the package's pipelines")
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        problems = self._generic_problems() if self.package_type is PackageType.GENERIC else ()
        if problem := next(iter(problems), None):
            raise ValueError(problem)
        return self

    def _generic_problems(self) -> Iterator[str]:
        # Just what an upload may be called: else no address would lead to it.
        if not generic_names.PACKAGE_NAME.allows(self.name):
            yield f"name: of a generic package should be {generic_names.PACKAGE_NAME.text}"
        if self.version is not None and not generic_names.VERSION.allows(self.version):
            yield f"version: of a generic package should be {generic_names.VERSION.text}"
        for position, file in enumerate(self.files):
            if not generic_names.allows_stored_name(file.file_name):
                yield (
                    f"files[{position}].file_name: of a generic package should be {generic_names.FILE_NAME.text}; "
                    "with folders, percent-encoded as in docs%2Fa.txt"
                )


def _distinct_ids(key: str, ids: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    for number in ids:
        if number in seen:
            raise ValueError(f"{key}: the id {number} is listed twice")
        seen.add(number)
    return seen
