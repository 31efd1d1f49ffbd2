"""The OpenAPI document, made from the operations that are served: their parameters, bodies and refusals."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from schemas.base import Json
from schemas.json_schemas import Schemas
from service.api.openapi.responses import responses_of
from service.http.carriers import Carrier
from service.http.operations import Media, Operation
from service.refusals import PreconditionFailedError

_NO_NUL: Final = r"^[^\x00]*$"

_SECURITY_SCHEMES: Final[Mapping[Carrier, Json]] = MappingProxyType(
    {
        Carrier.PRIVATE_TOKEN_HEADER: {"type": "apiKey", "in": "header", "name": "PRIVATE-TOKEN"},
        Carrier.PRIVATE_TOKEN_PARAMETER: {"type": "apiKey", "in": "query", "name": "private_token"},
        Carrier.BEARER: {"type": "http", "scheme": "bearer"},
        Carrier.ACCESS_TOKEN_PARAMETER: {"type": "apiKey", "in": "query", "name": "access_token"},
        Carrier.JOB_TOKEN_HEADER: {"type": "apiKey", "in": "header", "name": "JOB-TOKEN"},
        Carrier.JOB_TOKEN_PARAMETER: {"type": "apiKey", "in": "query", "name": "job_token"},
        Carrier.DEPLOY_TOKEN_HEADER: {"type": "apiKey", "in": "header", "name": "Deploy-Token"},
        Carrier.BASIC: {"type": "http", "scheme": "basic"},
        Carrier.NUGET_API_KEY: {"type": "apiKey", "in": "header", "name": "X-NuGet-ApiKey"},
    }
)


def openapi_document(operations: Sequence[Operation], *, server: str = "/") -> Json:
    """Return the document (OpenAPI 3.1) of everything that is served below the path *server*."""
    schemas = Schemas()
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.plain_path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Packyard",
            "version": version("packyard"),
            "summary": "A package catalogue that speaks the GitLab Packages API; its reason to exist is deletion.",
            "description": "HEAD is served wherever GET is. Unknown parameters are ignored.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {carrier.value: scheme for carrier, scheme in _SECURITY_SCHEMES.items()},
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> Json:
    summary, _, description = (operation.handler.__doc__ or "").strip().partition("\n")
    document: Json = {
        "operationId": operation.handler.__name__,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, schemas), *_headers(operation)],
        "responses": responses_of(operation, schemas),
    }
    if description.strip():
        document["description"] = description.strip()
    if operation.takes_bytes:
        document["requestBody"] = {"required": True, "content": _upload(operation)}
    if operation.body is not None:
        schema = schemas.of(operation.body, "validation")
        document["requestBody"] = {"required": operation.needs_body, "content": {Media.JSON.value: {"schema": schema}}}
    if operation.carriers:
        schemes: list[Json] = [{carrier.value: []} for carrier in Carrier if carrier in operation.carriers]
        document["security"] = [{}, *schemes] if operation.is_open else schemes
    return document


def _path_parameters(operation: Operation) -> Iterator[Json]:
    for name in operation.parts:
        schema: Json = {"type": "string", "minLength": 1}
        description = "The number of the project or group, or its full path, percent-encoded."
        if rule := operation.path_rules.get(name):
            schema, description = {"type": "string", "pattern": f"^(?:{rule})$"}, ""
        elif name.endswith("_id"):
            schema, description = {"type": "integer", "format": "int64"}, "A number from a listing."
        elif name != "id":
            description = ""
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schema,
            **({"description": description} if description else {}),
        }


def _query_parameters(operation: Operation, schemas: Schemas) -> Iterator[Json]:
    if operation.query is None:
        return
    for name, schema in schemas.of(operation.query, "validation")["properties"].items():
        found = _without_null(schema)
        if found.get("type") == "string" and not found.keys() & {"enum", "pattern"}:
            found["pattern"] = _NO_NUL
        description = found.pop("description", "")
        yield {"name": name, "in": "query", "required": False, "description": description, "schema": found}


def _headers(operation: Operation) -> Iterator[Json]:
    if operation.takes_key:
        yield _key_header()
    if operation.method == "DELETE":
        yield _header("If-Unmodified-Since", "Delete only what was not changed since; 412 otherwise.")
        yield _header("Prefer", "`respond-async` answers 202 with the deletion, in place of 204.")
    elif operation.takes_bytes and not operation.form_file and operation.upload_media is Media.OCTETS:
        yield _checksum_header()
        yield _header(
            "Repr-Digest", "The same as RFC 9530 has it; `Content-Digest`, `Content-MD5` and others are read, too."
        )
        if PreconditionFailedError in operation.refusals:
            yield _header("If-None-Match", "`*`: only if there is no such file in the package; 412 otherwise.")
    elif operation.method == "GET" and operation.is_tagged:
        yield _header("If-None-Match", "The ETag of the answer that is at hand; 304 when it still holds.")
    if operation.gives_bytes and operation.method == "GET":
        yield _header("Range", "One part of the file, as `bytes=0-1023`; several are answered with the whole.")
        yield _header("If-Range", "The ETag of the file of which a part is wanted; of another one, all comes.")


def _upload(operation: Operation) -> Json:
    form_file = operation.form_file
    if not form_file:
        return {operation.upload_media.value: {"schema": {}}}
    file = {"type": "string", "format": "binary"}
    return {
        "multipart/form-data": {"schema": {"type": "object", "required": [form_file], "properties": {form_file: file}}}
    }


def _key_header() -> Json:
    header = _header("Idempotency-Key", "Asked again with the same key, it does nothing and answers the same.")
    header["schema"] |= {"pattern": "^[!-~]{1,255}$"}
    return header


def _checksum_header() -> Json:
    header = _header(
        "X-Checksum-SHA256", "The SHA-256 that the file must have, in hexadecimal; 400 when it has another."
    )
    header["schema"] |= {"pattern": "^[0-9A-Fa-f]{64}$"}
    return header


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def _without_null(schema: Json) -> Json:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf" and not (key == "default" and value is None)}
    return {**rest, **(options[0] if len(options) == 1 else {"anyOf": options})} if options else rest
