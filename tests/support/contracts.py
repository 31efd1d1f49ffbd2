"""The API's own document."""

from service.app import ROUTES
from service.http.operations import Operation


def served_operations() -> list[Operation]:
    """Return the operations that are documented."""
    return [operation for routes in ROUTES for operation in routes.operations if not operation.is_hidden]
