"""Lists of packages on pages: their tabs, orders and pages, from the parameters in the address."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import web

from schemas.http.package_parameters import OrderBy, PackageListing
from schemas.names import PackageType
from schemas.searching import Sort
from schemas.statuses import PackageStatus
from service.catalogue.packages import PackagePage
from service.catalogue.rows.statistics import StatisticsRow
from service.refusals import BadParametersError
from service.web.parameters import read_listing, with_parameters

_ORDERS: Final = (OrderBy.CREATED_AT, OrderBy.NAME, OrderBy.SEMVER, OrderBy.TYPE)
_STATUSES: Final = (
    PackageStatus.DEFAULT,
    PackageStatus.ERROR,
    PackageStatus.DEPRECATED,
    PackageStatus.HIDDEN,
    PackageStatus.PROCESSING,
    PackageStatus.PENDING_DESTRUCTION,
)
_FIRST: Final = {"page": None, "cursor": None}

_Listing = TypeVar("_Listing", bound=PackageListing)


@dataclass(frozen=True, slots=True)
class Tab:
    """One type of packages: how many there are, and the address of the list of them."""

    type: PackageType | None
    packages: int
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a place, of all types together."""

    packages: int
    files: int
    logical_bytes: int
    physical_bytes: int


@dataclass(frozen=True, slots=True)
class PackageList:
    """A part of a list of packages, with what leads to the others."""

    listing: PackageListing
    listed: PackagePage
    tabs: Sequence[Tab]
    totals: Totals
    next_address: str | None
    first_address: str | None
    """Where the list begins, if this is not its beginning."""
    ascending_address: str
    """The same list in the other direction."""

    orders: Sequence[OrderBy] = _ORDERS
    statuses: Sequence[PackageStatus] = _STATUSES

    @property
    def is_filtered(self) -> bool:
        """Whether the list shows only some of the packages."""
        listing = self.listing
        return any((listing.package_name, listing.package_version, listing.package_type, listing.status))


def read_packages(request: web.Request, kind: type[_Listing]) -> _Listing:
    """Return the parameters of a list of packages: the newest first, those without a version too, by cursor."""
    return read_listing(request, kind, pagination="keyset", sort=Sort.DESC, include_versionless=True)


async def first_if_lost(listing: _Listing, read: Callable[[_Listing], Awaitable[PackagePage]]) -> PackagePage:
    """Return the wanted part of a list; its beginning if the cursor in the address is not one of the list's."""
    try:
        return await read(listing)
    except BadParametersError:
        return await read(listing.model_copy(update={"cursor": None}))


def package_list(
    request: web.Request, listing: PackageListing, listed: PackagePage, figures: Sequence[StatisticsRow]
) -> PackageList:
    """Return the list with its tabs; *figures* has one row for each type."""
    turned = Sort.ASC if listing.sort is Sort.DESC else Sort.DESC
    return PackageList(
        listing=listing,
        listed=replace(listed),
        tabs=_tabs(request, listing, figures),
        totals=totals_of(figures),
        next_address=with_parameters(request, cursor=listed.next_cursor) if listed.next_cursor else None,
        first_address=with_parameters(request, cursor=None) if listing.cursor else None,
        ascending_address=with_parameters(request, sort=turned.value, cursor=None),
    )


def totals_of(figures: Sequence[StatisticsRow]) -> Totals:
    """Return the figures of all types together."""
    return Totals(
        packages=sum(row.packages for row in figures),
        files=sum(row.files for row in figures),
        logical_bytes=sum(row.logical_bytes for row in figures),
        physical_bytes=sum(row.physical_bytes for row in figures),
    )


def _tabs(request: web.Request, listing: PackageListing, figures: Sequence[StatisticsRow]) -> Sequence[Tab]:
    everything = Tab(
        None,
        # Terraform modules are listed only when they are asked for.
        sum(row.packages for row in figures if row.package_type is not PackageType.TERRAFORM_MODULE),
        with_parameters(request, package_type=None, **_FIRST),
        is_current=listing.package_type is None,
    )
    by_type = [
        Tab(
            row.package_type,
            row.packages,
            with_parameters(request, package_type=row.package_type, **_FIRST),
            is_current=listing.package_type == row.package_type,
        )
        for row in figures
        if row.packages
    ]
    return [everything, *by_type]
