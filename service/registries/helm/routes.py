"""Helm: push a chart to a channel, the channel's index, and the charts."""

import asyncio
from typing import Final

from aiohttp import web

from schemas.http.resources import Message
from schemas.names import PackageType
from service.catalogue.guard.admission import UPLOAD_REFUSALS
from service.downloads import send_file
from service.http import CONTEXT, MOVED, PROJECT_REFUSALS, Answer, Media, Routes, project_visit, reply
from service.http.body.upload_forms import UploadForm
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART
from service.refusals import (
    BadParametersError,
    BadRequestError,
    ConflictError,
    MovedProjectWriteError,
    NotFoundError,
    UnauthorizedError,
    ValidationFailedError,
)
from service.registries.helm import publishing, rows
from service.registries.helm.charts import NAME_RULE, is_name
from service.registries.helm.index import index_of
from service.registries.helm.provenance import PROVENANCE, PROVENANCE_SUFFIX
from service.registries.publishers import publisher_of

routes = Routes("Helm", carriers=OF_PACKAGE_MANAGERS)

_REPOSITORY: Final = "/api/v4/projects/{id}/packages/helm"
_SUFFIX: Final = ".tgz"
_RULES: Final = {"channel": NAME_RULE}
_BAD_CHANNEL: Final = BadParametersError("channel is invalid")
_PUSHING: Final = (
    *PROJECT_REFUSALS,
    *UPLOAD_REFUSALS,
    UnauthorizedError,
    MovedProjectWriteError,
    BadParametersError("chart is missing"),
    ValidationFailedError("Version is invalid"),
    BadRequestError("File is too large"),
    ConflictError("Resource lock"),
)


@routes.post(
    f"{_REPOSITORY}/api/{{channel}}/charts",
    answers=Answer(201, Message),
    refusals=_PUSHING,
    takes_bytes=True,
    form_file="chart",
    refuses_unknown=True,
    path_rules=_RULES,
)
async def push_helm_chart(request: web.Request) -> web.Response:
    """Push a chart to a channel: a form with the packed chart in `chart`, and perhaps its provenance file in `prov`."""
    publisher = await publisher_of(request, PackageType.HELM)
    channel = _channel(request)
    form = UploadForm(request, file_field="chart", small_file=PROVENANCE)
    limit = request.app[CONTEXT].settings.helm_max_file_size
    await publishing.push(publisher, form, channel=channel, max_size=limit)
    return reply(Message(message="201 Created"), status=201)


@routes.get(
    f"{_REPOSITORY}/{{channel}}/index.yaml",
    answers=(Answer(200, media=Media.YAML), MOVED),
    refusals=(*PROJECT_REFUSALS, _BAD_CHANNEL),
    is_index=True,
    refuses_unknown=True,
    path_rules=_RULES,
)
async def show_helm_index(request: web.Request) -> web.Response:
    """Show the charts of a channel; a channel that nobody pushed to is empty."""
    async with project_visit(request) as (connection, found):
        channel = _channel(request)
        charts = await rows.list_charts(connection, project_id=found.project.id, channel=channel)
    context_path = request.rel_url.raw_path.removesuffix("/index.yaml").rpartition("/")[0]
    text = await asyncio.to_thread(index_of, charts, context_path=context_path)
    return web.Response(text=text, content_type=Media.YAML.value)


@routes.get(
    f"{_REPOSITORY}/{{channel}}/charts/{{file_name}}",
    answers=(FILE_BYTES, FILE_PART, ADDRESS, MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError, _BAD_CHANNEL),
    refuses_unknown=True,
    path_rules=_RULES,
)
async def download_helm_chart(request: web.Request) -> web.StreamResponse:
    """Download the newest chart of that file name in a channel, or with `.prov` at the end its provenance file."""
    async with project_visit(request) as (connection, found):
        channel, file_name = _channel(request), request.match_info["file_name"]
        file = await rows.find_file(
            connection,
            project_id=found.project.id,
            channel=channel,
            file_name=file_name,
            charts=_possible_charts(file_name),
        )
    if file is None:
        raise NotFoundError
    return await send_file(request, file)


def _channel(request: web.Request) -> str:
    channel = request.match_info["channel"]
    if not is_name(channel):
        raise _BAD_CHANNEL
    return channel


def _possible_charts(file_name: str) -> list[tuple[str, str]]:
    """Return the names and versions of the charts that a file of that name may be; there are at most 64."""
    words = file_name.removesuffix(PROVENANCE_SUFFIX).removesuffix(_SUFFIX).split("-")[:65]
    return [("-".join(words[:end]), "-".join(words[end:])) for end in range(1, len(words))]
