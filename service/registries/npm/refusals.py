"""Refusals that only npm's addresses answer with, in GitLab's words."""

from service.refusals import ForbiddenError, NotFoundError, RefusedError


class PackageExistsError(ForbiddenError):
    """There is such a version already."""

    text = "Package already exists."


class UnpublishableError(RefusedError):
    """The body of a publication lacks something, or is too large."""

    status = 400
    text = "{}"


class NoPackagesError(NotFoundError):
    """No version of that name can be installed here."""

    text = "404 Packages Not Found"


class TagNotFoundError(NotFoundError):
    """The package has no such tag."""

    text = "404 Package tag Not Found"


class UnpublishElsewhereError(ForbiddenError):
    """Versions are unpublished at the address of their project."""

    text = "403 Forbidden - Unpublish at the address of the project"
