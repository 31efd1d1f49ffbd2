"""The documents that NuGet's protocol 3 reads: service index, registration, versions and search."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final
from urllib.parse import quote

from service.registries.nuget.models import (
    NuGetCatalogEntry,
    NuGetDependency,
    NuGetDependencyGroup,
    NuGetFoundPackage,
    NuGetFoundVersion,
    NuGetRegistration,
    NuGetRegistrationPage,
    NuGetResource,
    NuGetSearch,
    NuGetServiceIndex,
    NuGetVersionDocument,
)
from service.registries.nuget.nuspec import Nuspec, NuspecDependencies
from service.registries.nuget.rows import FoundNames, PublishedVersion


@dataclass(frozen=True, slots=True)
class NuGetAddresses:
    """The addresses of a project, or of a group, whose packages are downloaded from their projects."""

    api: str
    """The address of the API, which ends in `/api/v4`."""
    base: str
    """The address below which the project or group has its registry."""

    def of_registration(self, name: str) -> str:
        """Return the address of a package's registration."""
        return f"{self.base}/metadata/{quote(name)}/index.json"

    def of_version(self, version: PublishedVersion) -> str:
        """Return the address of a version's document."""
        return f"{self.base}/metadata/{quote(version.nuspec.id)}/{version.parsed.normal}.json"

    def of_file(self, version: PublishedVersion) -> str:
        """Return the address of a version's package file, in its project."""
        name, normal = quote(version.nuspec.id.lower()), version.parsed.normal
        project = f"{self.api}/projects/{version.project_id}/packages/nuget"
        return f"{project}/download/{name}/{normal}/{name}.{normal}.nupkg"


_READING: Final = (
    ("SearchQueryService", "query", "Search for packages by words in their names"),
    ("RegistrationsBaseUrl", "metadata", "The versions of a package, with their dependencies"),
)
_READING_TYPES: Final = ("", "/3.0.0-beta", "/3.0.0-rc")
_OF_PROJECT: Final = (
    ("PackageBaseAddress/3.0.0", "/download", "The files of packages"),
    ("PackagePublish/2.0.0", "", "Push and delete packages"),
    ("SymbolPackagePublish/4.9.0", "/symbolpackage", "Push symbols of packages"),
)


def service_index(base: str, *, is_project: bool) -> NuGetServiceIndex:
    """Return the service index of the registry at *base*; a group is only read."""
    found = [
        NuGetResource(address=f"{base}/{path}", kind=f"{kind}{version}", comment=comment)
        for kind, path, comment in _READING
        for version in _READING_TYPES
    ]
    if is_project:
        found += [NuGetResource(address=base + path, kind=kind, comment=text) for kind, path, text in _OF_PROJECT]
    return NuGetServiceIndex(resources=found)


def registration(name: str, versions: Sequence[PublishedVersion], addresses: NuGetAddresses) -> NuGetRegistration:
    """Return the registration of a package; there is at least one version, and they are in their order."""
    page = NuGetRegistrationPage(
        address=addresses.of_registration(name),
        lower=versions[0].nuspec.version,
        upper=versions[-1].nuspec.version,
        count=len(versions),
        items=[version_document(version, addresses) for version in versions],
    )
    return NuGetRegistration(items=[page])


def version_document(version: PublishedVersion, addresses: NuGetAddresses) -> NuGetVersionDocument:
    """Return the document of one version."""
    address, content, nuspec = addresses.of_version(version), addresses.of_file(version), version.nuspec
    entry = NuGetCatalogEntry(
        address=address,
        authors=nuspec.authors or "",
        dependency_groups=_dependency_groups(address, nuspec),
        id=nuspec.id,
        version=nuspec.version,
        tags=nuspec.tags or "",
        package_content=content,
        summary=nuspec.summary or "",
        description=nuspec.description or "",
        published=version.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        project_url=nuspec.project_url,
        license_url=nuspec.license_url,
        icon_url=nuspec.icon_url,
    )
    return NuGetVersionDocument(address=address, package_content=content, catalog_entry=entry)


def search(found: FoundNames, packages: Sequence[Sequence[PublishedVersion]], addresses: NuGetAddresses) -> NuGetSearch:
    """Return what a search found: for each package its versions in their order, at least one."""
    return NuGetSearch(total_hits=found.total, data=[_found_package(versions, addresses) for versions in packages])


def _found_package(versions: Sequence[PublishedVersion], addresses: NuGetAddresses) -> NuGetFoundPackage:
    newest = versions[-1].nuspec
    return NuGetFoundPackage(
        authors=newest.authors or "",
        id=newest.id,
        title=newest.title or newest.id,
        summary=newest.summary or "",
        description=newest.description or "",
        version=newest.version,
        versions=[
            NuGetFoundVersion(address=addresses.of_version(version), version=version.nuspec.version)
            for version in versions
        ],
        tags=newest.tags or "",
        project_url=newest.project_url,
        license_url=newest.license_url,
        icon_url=newest.icon_url,
    )


def _dependency_groups(address: str, nuspec: Nuspec) -> list[NuGetDependencyGroup]:
    return [
        NuGetDependencyGroup(
            address=f"{address}#dependencygroup{_suffix(group)}",
            target_framework=group.target_framework,
            dependencies=[
                NuGetDependency(
                    address=f"{address}#dependencygroup{_suffix(group)}/{one.id.lower()}", id=one.id, range=one.range
                )
                for one in group.dependencies
            ],
        )
        for group in nuspec.dependency_groups
    ]


def _suffix(group: NuspecDependencies) -> str:
    return f"/{quote(group.target_framework.lower())}" if group.target_framework else ""
