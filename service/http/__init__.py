"""The HTTP toolkit: routes that describe themselves, callers, parameters, replies, paging.

Most routes need no more than these names; `docs/contributing/adding.md` shows how they go together. The modules have
the rest, as checksums and ranges, and `service.http.serving` is the server around the routes.
"""

from service.http.addresses import external_url
from service.http.bodies import answer_once, read_body
from service.http.carriers import NO_CREDENTIALS, OF_PROJECT, PERSONAL
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.operations import MOVED, Answer, Media, Routes, one, page_of
from service.http.paging import by_cursor, reply_page, reply_part
from service.http.parameters import read_path, read_query, read_request
from service.http.replies import reply
from service.http.visits import (
    GROUP_REFUSALS,
    PROJECT_REFUSALS,
    ProjectScope,
    ScopeVisit,
    caller_visit,
    group_scope,
    group_visit,
    project_scope,
    project_visit,
)

__all__ = [
    "CONTEXT",
    "GROUP_REFUSALS",
    "LOG_FIELDS",
    "MOVED",
    "NO_CREDENTIALS",
    "OF_PROJECT",
    "PERSONAL",
    "PROJECT_REFUSALS",
    "Answer",
    "Media",
    "ProjectScope",
    "Routes",
    "ScopeVisit",
    "answer_once",
    "by_cursor",
    "caller_visit",
    "external_url",
    "group_scope",
    "group_visit",
    "one",
    "page_of",
    "project_scope",
    "project_visit",
    "read_body",
    "read_path",
    "read_query",
    "read_request",
    "reply",
    "reply_page",
    "reply_part",
]
