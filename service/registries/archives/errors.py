"""Why an archive cannot be read."""

from service.errors import PackyardError


class ArchiveError(PackyardError):
    """The archive is none, or breaks a bound; the text completes a sentence that begins with its name."""
