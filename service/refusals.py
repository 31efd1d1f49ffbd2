"""Refused requests, each with its HTTP status and GitLab's exact body: the one place of these sentences.

`service.http.refusing` makes an answer of an error; `service.errors` has the failures that answer no request.
"""

from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar, Final

from typing_extensions import override

from schemas.base import Json
from service.errors import PackyardError

_WORDS: Final = MappingProxyType(
    {405: "Not Allowed", 413: "Request Entity Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable"}
)


class RefusedError(PackyardError):
    """A request that is answered with a status of its own and one of GitLab's two body shapes."""

    status: int
    text: ClassVar[str]  # the sentence of the body, with a place for each of the error's arguments
    key: ClassVar[str] = "message"  # in the body; `error` where GitLab's framework refuses by itself
    retry_after_s: int | None = None  # None where time alone changes nothing

    def body(self) -> dict[str, str]:
        """Return the JSON body, to the letter of GitLab's."""
        return {self.key: self.text.format(*self.args)}


class UnservedError(RefusedError):
    """A request that the server itself refuses, before or beside every rule of the catalogue."""

    text = "{} {}"
    key = "error"

    def __init__(self, status: int) -> None:
        """Refuse with that status, in GitLab's words where they are not those of Python."""
        super().__init__(status, _WORDS.get(status) or HTTPStatus(status).phrase)
        self.status = status


class InternalError(RefusedError):
    """A fault of ours."""

    status = 500
    text = "500 Internal Server Error"


class OutageError(RefusedError):
    """A server that the request needs is away."""

    status = 503
    text = "503 Service Unavailable"
    retry_after_s = 5


class SearchesBusyError(RefusedError):
    """Other expensive reads took all connections that such reads may have, for longer than this one could wait."""

    status = 503
    text = "503 Service Unavailable - other searches are under way: try again later"
    retry_after_s = 5


class SecretsNotKeptError(RefusedError):
    """The instance has no key to encrypt secrets with."""

    status = 503
    text = "503 Service Unavailable - this instance keeps no secrets: its operator has to set PACKYARD_SECRET_KEYS"


class BadParametersError(RefusedError):
    """Parameters that cannot be read, or are not among the allowed values; one sentence each."""

    status = 400
    text = "{}"
    key = "error"

    def __init__(self, *sentences: str) -> None:
        """Keep the sentences in their order, each once."""
        super().__init__(", ".join(dict.fromkeys(sentences)))


class BadRequestError(RefusedError):
    """A request that the application finds wrong, with the reason."""

    status = 400
    text = "400 Bad request - {}"


class ValidationFailedError(RefusedError):
    """A record that breaks a rule of its kind, with the rule in Rails' words."""

    status = 400
    text = "Validation failed: {}"


class UnauthorizedError(RefusedError):
    """The token is unknown, or the route demands a user."""

    status = 401
    text = "401 Unauthorized"


class WaitingNeedsTokenError(UnauthorizedError):
    """An anonymous caller wants to wait for events, or to stream them."""

    text = "401 Unauthorized: to wait for events or to stream them takes a token"


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


class ForeignFormError(ForbiddenError):
    """A page of ours did not send the form, or sent it too late."""

    text = "403 Forbidden - the form was not sent from this page, or the page is too old: load it again"


class InsufficientScopeError(ForbiddenError):
    """The token's scopes do not cover the request."""

    text = "The request requires higher privileges than provided by the access token."

    @override
    def body(self) -> dict[str, str]:
        """Return the OAuth shape."""
        return {"error": "insufficient_scope", "error_description": self.text, "scope": "api read_api"}


class JobTokenRefusedError(ForbiddenError):
    """The project does not let in the jobs of that other one."""

    text = "403 Forbidden - Authentication by CI/CD job token not allowed from {} to {}."


class ForbiddenHereError(ForbiddenError):
    """The caller may do it, but not at this address."""

    text = "403 Forbidden - {}"


class DeletionProtectedError(ForbiddenError):
    """A protection rule of the project demands a higher level."""

    text = "403 Forbidden - Package is deletion protected."


class PushProtectedError(ForbiddenError):
    """A protection rule of the project demands a higher level to publish the name."""

    text = "403 Forbidden - Package protected."


class QuotaExceededError(ForbiddenError):
    """An enforced quota of the project, or of a group around it, has no room for the file."""

    text = "403 Forbidden - Your action has been rejected because the namespace storage limit has been reached."


class DeletionHeldError(ForbiddenError):
    """A hold keeps everything in the project from being deleted."""

    text = "403 Forbidden - Deletions are on hold: {}"


class NotFoundError(RefusedError):
    """No such record, or none that may be addressed in its status."""

    status = 404
    text = "404 Not found"


class PageNotFoundError(NotFoundError):
    """There is nothing under that path."""

    text = "404 Not Found"
    key = "error"


class FileNotFoundInPackageError(NotFoundError):
    """No such file in that package; GitLab writes this one with a capital F."""

    text = "404 Not Found"


class PackageNameNotFoundError(NotFoundError):
    """No package of that name can be installed here."""

    text = "404 Package Not Found"


class MissingError(NotFoundError):
    """A package manager asked for something that is not there."""

    text = "404 {} Not Found"


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


class WebhookUrlRefusedError(RefusedError):
    """Nothing may be sent to that address."""

    status = 422
    text = "Invalid url given: {}"
    key = "error"


class ConflictError(RefusedError):
    """The record is not in a state in which that can be done."""

    status = 409
    text = "409 Conflict: {}"


class PreconditionFailedError(RefusedError):
    """The record was changed after the moment that the caller named, or is there though it should be new."""

    status = 412
    text = "412 Precondition Failed"


class UnsavableError(RefusedError):
    """A record cannot be saved as it is asked for; one sentence for each reason, in Rails' words."""

    status = 422
    text = "{}"

    @override
    def body(self) -> Json:
        """Return the reasons as a list, as GitLab nests it."""
        return {self.key: {"error": list(self.args)}}


class KeyReusedError(RefusedError):
    """The Idempotency-Key was used for another request before."""

    status = 422
    text = "422 Unprocessable Entity - the Idempotency-Key was used for another request"


class TooManyRequestsError(RefusedError):
    """The caller asks more often than the limit allows; the body is this text, and no JSON."""

    status = 429
    text = "Retry later"

    def __init__(self, retry_after_s: int = 1) -> None:
        """Let the caller ask again after so many seconds."""
        super().__init__()
        self.retry_after_s = retry_after_s


class FeedMovedOnError(RefusedError):
    """The feed does not have the event that comes next for the reader."""

    status = 410
    text = "410 Gone: the feed has the events {} to {}"

    def __init__(self, oldest: int, newest: int) -> None:
        """Name the numbers of the oldest and the newest event."""
        super().__init__(oldest, newest)


class OutboxBehindError(RefusedError):
    """No command has reached the broker for long: what was accepted waits already, and many more are not taken."""

    status = 503
    text = "503 Service Unavailable - the broker is away: try again later, or delete single packages"
    retry_after_s = 60
