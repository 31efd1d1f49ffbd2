"""The bodies of refusals: GitLab has one shape for its own, another for its framework's, a third for OAuth's."""

from schemas.http.resources import Resource


class Refused(Resource):
    """What the application itself refuses."""

    message: str


class Fault(Resource):
    """What is wrong with the request before the application looks at it: parameters, paths, methods."""

    error: str


class OAuthFault(Resource):
    """What is wrong with a token."""

    error: str
    error_description: str
    scope: str = ""
    """The scopes that would do."""
