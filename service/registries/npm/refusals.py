"""Refusals of npm's addresses, in GitLab's words."""

from typing import Final

from service.refusals import ForbiddenError, MissingError, RefusedError


class PackageExistsError(ForbiddenError):
    """There is such a version already."""

    text = "Package already exists."


class UnpublishableError(RefusedError):
    """The body of a publication lacks something, or is too large."""

    status = 400
    text = "{}"


NO_PACKAGES: Final = MissingError("Packages")
"""No version of that name can be installed here."""

NO_TAG: Final = MissingError("Package tag")
"""No version that can be installed has the tag."""
