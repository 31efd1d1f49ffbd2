"""The bodies of refusals: GitLab has one shape for its own, another for its framework's, a third for OAuth's."""

from schemas.http.resources import Resource


class Refused(Resource):
    """A refusal by the application itself."""

    message: str


class Fault(Resource):
    """An error found before the application handles the request: in parameters, path or method."""

    error: str


class UnsavableReasons(Resource):
    """Why a record cannot be saved, one sentence for each reason."""

    error: list[str]


class UnsavableRecord(Resource):
    """A record that cannot be saved as it is asked for."""

    message: UnsavableReasons


class RepeatedRefusal(Resource):
    """A refusal with its sentence under both keys, for clients that print only one of them."""

    message: str
    error: str


class OAuthFault(Resource):
    """An error of a token."""

    error: str
    error_description: str
    scope: str = ""
    """The scopes that would do."""
