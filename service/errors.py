"""The closed vocabulary of failures.

A `RefusedError` is somebody's request that cannot be granted: it knows its HTTP status and GitLab's exact body.
A `StartError` stops a process or command with one line that says what is wrong.
"""

from typing import ClassVar

from typing_extensions import override


class PackyardError(Exception):
    """Every failure that this project names itself."""


class StartError(PackyardError):
    """A process cannot start, or a command cannot be carried out, as its user asked; the text is for that user."""


class BrokerAwayError(StartError):
    """The broker does not answer at the start; another try may succeed."""


class UnsuitableDatabaseError(StartError):
    """The database, or the way to it, is none that can be worked with; no other try helps."""


class DatabaseAwayError(PackyardError):
    """The database cannot be reached, or cannot now do what it was asked; another attempt may succeed."""


class DatabaseReadOnlyError(DatabaseAwayError):
    """The server takes no writes; another one may, or the same one later."""


class TransactionLostError(DatabaseAwayError):
    """The server gave up this transaction for another one; it may be repeated from its beginning."""


class StorageUnavailableError(PackyardError):
    """The object store did not answer, or answered that it cannot now; another attempt may succeed."""


class StorageRefusedError(PackyardError):
    """The object store will not do this, however often it is asked."""


class ObjectStuckError(PackyardError):
    """The object store answers, but does not remove this object; another attempt may succeed."""


class ObjectMissingError(PackyardError):
    """There is no object under that key."""


class RefusedError(PackyardError):
    """A request that is answered with a status of its own and one of GitLab's two body shapes."""

    status: ClassVar[int]
    text: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    """After how many seconds to ask again; None where time alone changes nothing."""

    def body(self) -> dict[str, str]:
        """Return the JSON body, to the letter of GitLab's."""
        return {"message": self.text}


class BadParametersError(RefusedError):
    """Parameters that cannot be read, or are not among the allowed values; one sentence each."""

    status = 400
    text = "400 Bad Request"

    def __init__(self, *sentences: str) -> None:
        """Keep the sentences in their order, each once."""
        super().__init__(", ".join(dict.fromkeys(sentences)))

    @override
    def body(self) -> dict[str, str]:
        """Return the shape that Grape's own validation errors have."""
        return {"error": str(self)}


class BadRequestError(RefusedError):
    """A request that the application finds wrong, with the reason."""

    status = 400
    text = "400 Bad request"

    @override
    def body(self) -> dict[str, str]:
        """Append the reason to the text."""
        return {"message": f"{self.text} - {self}"}


class UnauthorizedError(RefusedError):
    """The token is unknown, or the route demands a user."""

    status = 401
    text = "401 Unauthorized"


class TokenExpiredError(RefusedError):
    """The token was good once."""

    status = 401
    text = "Token is expired. You can either do re-authorization or token refresh."

    @override
    def body(self) -> dict[str, str]:
        """Return the OAuth shape."""
        return {"error": "invalid_token", "error_description": self.text}


class TokenRevokedError(TokenExpiredError):
    """The token was taken back."""

    text = "Token was revoked. You have to re-authorize from the user."


class ForbiddenError(RefusedError):
    """The caller can see it, but may not do that."""

    status = 403
    text = "403 Forbidden"


class BlockedUserError(ForbiddenError):
    """The token's user is blocked."""

    text = "403 Forbidden - Your account has been blocked."


class InsufficientScopeError(ForbiddenError):
    """The token's scopes do not cover the request."""

    @override
    def body(self) -> dict[str, str]:
        """Return the OAuth shape."""
        return {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": "api read_api",
        }


class JobTokenRefusedError(ForbiddenError):
    """The project does not let in the jobs of that other one."""

    def __init__(self, source: str, target: str) -> None:
        """Keep the full paths of both projects."""
        super().__init__(source, target)
        self._text = f"{ForbiddenError.text} - Authentication by CI/CD job token not allowed from {source} to {target}."

    @override
    def body(self) -> dict[str, str]:
        """Name both projects."""
        return {"message": self._text}


class DeletionProtectedError(ForbiddenError):
    """A protection rule of the project demands a higher level."""

    text = "403 Forbidden - Package is deletion protected."


class DeletionHeldError(ForbiddenError):
    """A hold keeps everything in the project from being deleted."""

    @override
    def body(self) -> dict[str, str]:
        """Return the reason of the hold."""
        return {"message": f"{self.text} - Deletions are on hold: {self}"}


class NotFoundError(RefusedError):
    """No such record, or none that may be addressed in its status."""

    status = 404
    text = "404 Not found"


class PageNotFoundError(NotFoundError):
    """There is nothing under that path."""

    text = "404 Not Found"

    @override
    def body(self) -> dict[str, str]:
        """Return the shape that Grape's own errors have."""
        return {"error": self.text}


class FileNotFoundInPackageError(NotFoundError):
    """No such file in that package; GitLab writes this one with a capital F."""

    text = "404 Not Found"


class PackagesDisabledError(NotFoundError):
    """Packages are switched off for the whole instance; GitLab writes this one with a capital F."""

    text = "404 Not Found"


class PackageNotPresentableError(NotFoundError):
    """The package is there, but its status has no page of details, hence no pipelines; the wording is GitLab's."""

    text = "404 Package not found Not Found"


class ProjectNotFoundError(NotFoundError):
    """The project is unknown, or not visible to the caller."""

    text = "404 Project Not Found"


class GroupNotFoundError(NotFoundError):
    """The group is unknown, or not visible to the caller."""

    text = "404 Group Not Found"


class MovedProjectWriteError(RefusedError):
    """Under its old path a project can only be read."""

    status = 405
    text = "Non GET methods are not allowed for moved projects"


class ConflictError(RefusedError):
    """The record is not in a state in which that can be done."""

    status = 409
    text = "409 Conflict"

    @override
    def body(self) -> dict[str, str]:
        """Append the reason to the text."""
        return {"message": f"{self.text}: {self}"}


class PreconditionFailedError(RefusedError):
    """The record was changed after the moment that the caller named, or is there though it should be new."""

    status = 412
    text = "412 Precondition Failed"


class KeyReusedError(RefusedError):
    """The Idempotency-Key was used for another request before."""

    status = 422
    text = "422 Unprocessable Entity - the Idempotency-Key was used for another request"


class TooManyRequestsError(RefusedError):
    """The caller asks more often than the limit allows."""

    status = 429
    text = "Retry later"


class OutboxBehindError(RefusedError):
    """No command has reached the broker for long: what was accepted waits already, and many more are not taken."""

    status = 503
    text = "503 Service Unavailable"
    retry_after_s = 60

    @override
    def body(self) -> dict[str, str]:
        """Say what goes on all the same."""
        return {"message": f"{self.text} - the broker is away: try again later, or delete single packages"}


def first_line(error: BaseException) -> str:
    """Return what an error says, without details and hints on further lines; its kind, if it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__
