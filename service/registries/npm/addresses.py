"""The addresses below which npm is served."""

from typing import Final

PROJECT: Final = "/api/v4/projects/{id}/packages/npm"
GROUP: Final = "/api/v4/groups/{id}/-/packages/npm"
INSTANCE: Final = "/api/v4/packages/npm"
NAME: Final = "{name:(?:@[^/]+/)?[^/]+}"
"""A name whose slash may come percent-encoded, as clients send it, or not."""
FILE: Final = "{file_name:(?:@[^/]+/)?[^/]+}"
REVISION: Final = "/-rev/{revision}"
