"""Keys of the values that the application and a request carry."""

from typing import Final

from aiohttp import web

from service.context import Context
from service.infra.postgres.expensive_reads import Reads
from service.retention.preview import Previews

CONTEXT: Final = web.AppKey("context", Context)
READS: Final = web.AppKey("reads", Reads)
PREVIEWS: Final = web.AppKey("previews", Previews)
REQUEST_ID: Final = web.RequestKey("request_id", str)
LOG_FIELDS: Final = web.RequestKey("log_fields", dict[str, object])
"""Fields that a handler adds to the request's one log line."""

CREDENTIAL_OWNER: Final = web.RequestKey("credential_owner", str)
"""The identity behind the request's credential; set only when the credential is good."""

OPERATIONS: Final = web.AppKey("operations", tuple)
"""Everything that the application serves."""
