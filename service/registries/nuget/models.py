"""The shapes of the documents that NuGet's protocol 3 reads, and the parameters of its search."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.base import Query
from schemas.http.parameters import Integer, blank_is_unset

_PROTOCOL: Final = "3.0.0"
_DEFAULT_TAKEN: Final = 20
_MOST_TAKEN: Final = 30
_FURTHEST: Final = 2**31 - 1
_MOST_WORDS: Final = 16


class NuGetSearching(Query):
    """Parameters of a search."""

    q: str = ""
    """Words that the name has to have in it; at most 16 count."""
    skip: Annotated[Integer, Field(ge=0, le=_FURTHEST), blank_is_unset(0)] = 0
    """How many packages to leave out, in the order of their names."""
    take: Annotated[
        Integer,
        Field(ge=1),
        blank_is_unset(_DEFAULT_TAKEN),
        AfterValidator(lambda taken: min(taken, _MOST_TAKEN)),
    ] = _DEFAULT_TAKEN
    """How many packages an answer has: 20 by default, at most 30."""
    prerelease: Annotated[bool, blank_is_unset(default=True)] = True
    """Whether pre-releases are found."""

    @property
    def words(self) -> list[str]:
        """The words of the search."""
        return self.q.split()[:_MOST_WORDS]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class NuGetResource(_Model):
    """An address of the registry, and what it is for."""

    address: str = Field(alias="@id")
    kind: str = Field(alias="@type")
    comment: str


class NuGetServiceIndex(_Model):
    """The addresses of a project or a group."""

    version: str = _PROTOCOL
    resources: list[NuGetResource]


class NuGetVersions(_Model):
    """The normal forms of all versions of a package."""

    versions: list[str]


class NuGetDependency(_Model):
    """A package that is needed."""

    address: str = Field(alias="@id")
    kind: str = Field(default="PackageDependency", alias="@type")
    id: str
    range: str


class NuGetDependencyGroup(_Model):
    """The dependencies of one target framework."""

    address: str = Field(alias="@id")
    kind: str = Field(default="PackageDependencyGroup", alias="@type")
    target_framework: str | None = Field(default=None, alias="targetFramework")
    dependencies: list[NuGetDependency]


class NuGetCatalogEntry(_Model):
    """The facts that a nuspec has of its package."""

    address: str = Field(alias="@id")
    authors: str
    dependency_groups: list[NuGetDependencyGroup] = Field(alias="dependencyGroups")
    id: str
    version: str
    tags: str
    package_content: str = Field(alias="packageContent")
    summary: str
    description: str
    published: str
    project_url: str | None = Field(default=None, alias="projectUrl")
    license_url: str | None = Field(default=None, alias="licenseUrl")
    icon_url: str | None = Field(default=None, alias="iconUrl")


class NuGetVersionDocument(_Model):
    """One version of a package, and where its file is."""

    address: str = Field(alias="@id")
    package_content: str = Field(alias="packageContent")
    catalog_entry: NuGetCatalogEntry = Field(alias="catalogEntry")


class NuGetRegistrationPage(_Model):
    """Versions of a package in their order."""

    address: str = Field(alias="@id")
    lower: str
    upper: str
    count: int
    items: list[NuGetVersionDocument]


class NuGetRegistration(_Model):
    """The versions of a package, on one page."""

    count: int = 1
    items: list[NuGetRegistrationPage]


class NuGetFoundVersion(_Model):
    """A version of a package that a search found."""

    address: str = Field(alias="@id")
    version: str
    downloads: int = 0


class NuGetFoundPackage(_Model):
    """A package that a search found."""

    kind: str = Field(default="Package", alias="@type")
    authors: str
    id: str
    title: str
    summary: str
    description: str
    total_downloads: int = Field(default=0, alias="totalDownloads")
    verified: bool = True
    version: str
    versions: list[NuGetFoundVersion]
    tags: str
    project_url: str | None = Field(default=None, alias="projectUrl")
    license_url: str | None = Field(default=None, alias="licenseUrl")
    icon_url: str | None = Field(default=None, alias="iconUrl")


class NuGetSearch(_Model):
    """A part of what a search found, and how much there is in all."""

    total_hits: int = Field(alias="totalHits")
    data: list[NuGetFoundPackage]
