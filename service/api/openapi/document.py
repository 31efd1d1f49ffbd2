"""The OpenAPI document, made from the operations that are served: their parameters, bodies and refusals."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from schemas.http.errors import Fault, OAuthFault, Refused
from schemas.json_schemas import Json, Schemas
from service.api.openapi.examples import example_of
from service.errors import (
    BadParametersError,
    BlockedUserError,
    InsufficientScopeError,
    PageNotFoundError,
    RefusedError,
    TokenExpiredError,
    TokenRevokedError,
    TooManyRequestsError,
    UnauthorizedError,
)
from service.http.operations import Answer, AnyRefusal, Carrier, Media, Operation

_AUTHENTICATION: Final[tuple[AnyRefusal, ...]] = (
    UnauthorizedError,
    TokenExpiredError,
    TokenRevokedError,
    BlockedUserError,
    InsufficientScopeError,
)
_FAULTS: Final = MappingProxyType({500: "500 Internal Server Error", 503: "503 Service Unavailable"})
_RETRY_AFTER: Final[Json] = {"Retry-After": {"schema": {"type": "integer"}}}
_NO_NUL: Final = r"^[^\x00]*$"
_DESCRIPTIONS: Final = MappingProxyType(
    {
        201: "Created.",
        202: "Accepted; this is how far it is.",
        204: "Accepted; there is nothing to read.",
        206: "The part that was asked for.",
        301: "The project has another path now.",
        302: "The bytes are there for the next five minutes.",
    }
)
_UNREADABLE: Final = MappingProxyType({414: "414 URI Too Long", 431: "431 Request Header Fields Too Large"})

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
        "responses": _responses(operation, schemas),
    }
    if description.strip():
        document["description"] = description.strip()
    if operation.takes_bytes:
        document["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": {}}}}
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
    elif operation.takes_bytes:
        yield _checksum_header()
        yield _header(
            "Repr-Digest", "The same as RFC 9530 has it; `Content-Digest`, `Content-MD5` and others are read, too."
        )
        yield _header("If-None-Match", "`*`: only if there is no such file in the package; 412 otherwise.")
    elif operation.method == "GET" and operation.is_tagged:
        yield _header("If-None-Match", "The ETag of the answer that is at hand; 304 when it still holds.")
    if operation.gives_bytes and operation.method == "GET":
        yield _header("Range", "One part of the file, as `bytes=0-1023`; several are answered with the whole.")
        yield _header("If-Range", "The ETag of the file of which a part is wanted; of another one, all comes.")


def _key_header() -> Json:
    header = _header("Idempotency-Key", "Asked again with the same key, it does nothing and answers the same.")
    header["schema"] |= {"pattern": "^[!-~]{1,255}$"}
    return header


def _checksum_header() -> Json:
    header = _header("X-Checksum-SHA256", "What the file has to be, in hexadecimal; 400 when it is not.")
    header["schema"] |= {"pattern": "^[0-9A-Fa-f]{64}$"}
    return header


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Json]:
    responses = {str(answer.status): _answer(answer, schemas) for answer in operation.answers}
    if operation.method == "GET" and operation.is_tagged:
        responses["304"] = {"description": "The client has it already."}
    by_status: dict[int, list[RefusedError]] = {}
    for refusal in _refusals(operation):
        error = refusal() if isinstance(refusal, type) else refusal
        by_status.setdefault(error.status, []).append(error)
    responses |= {str(status): _refused(errors, schemas) for status, errors in sorted(by_status.items())}
    for status, text in _FAULTS.items():
        responses.setdefault(str(status), _fault({"message": text}, schemas))
    responses["503"]["headers"] = _RETRY_AFTER
    for status, text in _errors(operation):
        responses[str(status)] = _fault({"error": text}, schemas)
    if operation.carriers:
        responses["429"] = {
            "description": TooManyRequestsError.text,
            "headers": _RETRY_AFTER,
            "content": {Media.TEXT.value: {"schema": {"type": "string"}, "example": TooManyRequestsError.text}},
        }
    return responses


def _errors(operation: Operation) -> Iterator[tuple[int, str]]:
    yield from _UNREADABLE.items()
    if operation.gives_bytes:
        yield 416, "416 Range Not Satisfiable"
    if operation.reads_body:
        yield 408, "408 Request Timeout"
    if operation.body is not None:
        yield 413, "413 Request Entity Too Large"


def _refusals(operation: Operation) -> Iterator[AnyRefusal]:
    if operation.carriers:
        yield from _AUTHENTICATION
    if "{" in operation.path:
        yield PageNotFoundError
    if operation.query is not None or operation.path_rules or _numbers(operation) or operation.body:
        yield BadParametersError(*_bad_parameters(operation))
    yield from operation.refusals


def _numbers(operation: Operation) -> list[str]:
    return [name for name in operation.parts if name.endswith("_id")]


def _bad_parameters(operation: Operation) -> Iterator[str]:
    for name in operation.parts:
        if name != "id":
            yield f"{name} is invalid"
    if operation.body is not None:
        yield "body should be a JSON object"
    if operation.query is not None and "order_by" in operation.query.model_fields:
        yield "order_by does not have a valid value"


def _answer(answer: Answer, schemas: Schemas) -> Json:
    found: Json = {"description": _DESCRIPTIONS.get(answer.status, "As asked for.")}
    if answer.headers:
        found["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    if answer.media is Media.JSON:
        schema = schemas.of(answer.shape, "serialization")
        found["content"] = {Media.JSON.value: {"schema": schema, "example": example_of(schema, schemas.definitions)}}
    elif answer.media is not Media.EMPTY:
        schema = {} if answer.media is Media.OCTETS else {"type": "string"}
        found["content"] = {answer.media.value: {"schema": schema}}
    return found


def _refused(errors: Sequence[RefusedError], schemas: Schemas) -> Json:
    bodies = {type(error).__name__.removesuffix("Error") + str(i or ""): error.body() for i, error in enumerate(errors)}
    pauses = any(error.retry_after_s is not None for error in errors)
    return {
        **({"headers": _RETRY_AFTER} if pauses else {}),
        "description": "; ".join(dict.fromkeys((type(error).__doc__ or "").partition("\n")[0] for error in errors)),
        "content": {
            Media.JSON.value: {
                "schema": _fault_schema(bodies.values(), schemas),
                "examples": {name: {"value": body} for name, body in bodies.items()},
            }
        },
    }


def _fault(body: Mapping[str, str], schemas: Schemas) -> Json:
    schema = _fault_schema([body], schemas)
    text = next(iter(body.values()))
    return {"description": text, "content": {Media.JSON.value: {"schema": schema, "example": dict(body)}}}


def _fault_schema(bodies: Any, schemas: Schemas) -> Json:
    kinds: dict[type[BaseModel], None] = {}
    for body in bodies:
        kinds[Refused if "message" in body else OAuthFault if "error_description" in body else Fault] = None
    found = [schemas.of(kind, "serialization") for kind in kinds]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _without_null(schema: Json) -> Json:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf" and not (key == "default" and value is None)}
    return {**rest, **(options[0] if len(options) == 1 else {"anyOf": options})} if options else rest
