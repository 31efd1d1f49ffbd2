"""The responses of an operation in the OpenAPI document: answers, and refusals with their own texts."""

from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from schemas.base import Json
from schemas.http.errors import Fault, OAuthFault, Refused, RepeatedRefusal, UnsavableRecord
from schemas.json_schemas import Schemas
from service.api.openapi.examples import example_of
from service.http.operations import Answer, AnyRefusal, Media, Operation
from service.http.refusing import repeated_body
from service.refusals import (
    BadParametersError,
    BlockedUserError,
    InsufficientScopeError,
    InternalError,
    OutageError,
    PageNotFoundError,
    RefusedError,
    TokenExpiredError,
    TokenRevokedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnservedError,
)

_AUTHENTICATION: Final[tuple[AnyRefusal, ...]] = (
    UnauthorizedError,
    TokenExpiredError,
    TokenRevokedError,
    BlockedUserError,
    InsufficientScopeError,
)
_FAULTS: Final = (InternalError(), OutageError())
_RETRY_AFTER: Final[Json] = {"Retry-After": {"schema": {"type": "integer"}}}
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
_UNREADABLE: Final = (414, 431)


def responses_of(operation: Operation, schemas: Schemas) -> dict[str, Json]:
    """Return the responses by status; models that they use are added to *schemas*."""
    responses = {str(answer.status): _answer(answer, schemas) for answer in operation.answers}
    if operation.method == "GET" and operation.is_tagged:
        responses["304"] = {"description": "The client has it already."}
    by_status: dict[int, list[RefusedError]] = {}
    for refusal in _refusals(operation):
        error = refusal() if isinstance(refusal, type) else refusal
        by_status.setdefault(error.status, []).append(error)
    responses |= {str(status): _refused(errors, operation, schemas) for status, errors in sorted(by_status.items())}
    for fault in _FAULTS:
        responses.setdefault(str(fault.status), _fault(fault, operation, schemas))
    responses[str(OutageError.status)]["headers"] = _RETRY_AFTER
    for status in _unserved(operation):
        responses[str(status)] = _fault(UnservedError(status), operation, schemas)
    if operation.carriers:
        responses["429"] = {
            "description": TooManyRequestsError.text,
            "headers": _RETRY_AFTER,
            "content": {Media.TEXT.value: {"schema": {"type": "string"}, "example": TooManyRequestsError.text}},
        }
    return responses


def _unserved(operation: Operation) -> Iterator[int]:
    yield from _UNREADABLE
    if operation.gives_bytes:
        yield 416
    if operation.reads_body:
        yield 408
    if operation.body is not None or operation.upload_media is Media.JSON:
        yield 413


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
    found: Json = {"description": answer.description or _DESCRIPTIONS.get(answer.status, "As asked for.")}
    if answer.headers:
        found["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    if answer.media in {Media.JSON, Media.CLOUD_EVENTS}:
        schema = schemas.of(answer.shape, "serialization")
        found["content"] = {answer.media.value: {"schema": schema, "example": example_of(schema, schemas.definitions)}}
    elif answer.media is not Media.EMPTY:
        schema = {} if answer.media is Media.OCTETS else {"type": "string"}
        found["content"] = {answer.media.value: {"schema": schema}}
    return found


def _body(error: RefusedError, operation: Operation) -> Json:
    return repeated_body(error.body()) if operation.repeats_refusals else error.body()


def _refused(errors: Sequence[RefusedError], operation: Operation, schemas: Schemas) -> Json:
    bodies = {
        type(error).__name__.removesuffix("Error") + str(i or ""): _body(error, operation)
        for i, error in enumerate(errors)
    }
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


def _fault(error: RefusedError, operation: Operation, schemas: Schemas) -> Json:
    body = _body(error, operation)
    schema = _fault_schema([body], schemas)
    return {"description": body[error.key], "content": {Media.JSON.value: {"schema": schema, "example": body}}}


def _fault_schema(bodies: Iterable[Json], schemas: Schemas) -> Json:
    kinds: dict[type[BaseModel], None] = {}
    for body in bodies:
        kinds[_kind_of(body)] = None
    found = [schemas.of(kind, "serialization") for kind in kinds]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _kind_of(body: Json) -> type[BaseModel]:
    if "error_description" in body:
        return OAuthFault
    if isinstance(body.get("message"), dict):
        return UnsavableRecord
    if body.keys() >= {"message", "error"}:
        return RepeatedRefusal
    return Refused if "message" in body else Fault
