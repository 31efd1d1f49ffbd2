"""Protection rules of a project, at GitLab's addresses: the least levels that publish and delete packages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from schemas.http.protection import (
    DELETE_LEVEL,
    PUSH_LEVEL,
    NewProtectionRule,
    ProtectionRuleChange,
    ProtectionRuleResource,
    pattern_problems,
)
from schemas.names import AccessLevel, ProtectionLevel
from service.access import access
from service.access.rows import Project
from service.catalogue.guard import protection
from service.catalogue.guard.protection import ProtectionRule, ProtectionTerms
from service.http import CONTEXT, PERSONAL, PROJECT_REFUSALS, Routes, one, project_visit, read_path, reply
from service.http.bodies import read_gitlab_body
from service.http.operations import MOVED, Answer, Media
from service.http.parameters import read_unmodified_since
from service.http.replies import no_content
from service.infra.postgres.database import Connection
from service.refusals import (
    BadParametersError,
    MovedProjectWriteError,
    NotFoundError,
    PreconditionFailedError,
    UnauthorizedError,
    UnsavableError,
)

routes = Routes("Protection rules", carriers=PERSONAL)

_RULES: Final = "/api/v4/projects/{id}/packages/protection/rules"
_RULE: Final = _RULES + "/{package_protection_rule_id}"
_READING: Final = (*PROJECT_REFUSALS, UnauthorizedError)
_CHANGING: Final = (*_READING, MovedProjectWriteError)
_SAVING: Final = (
    *_CHANGING,
    BadParametersError("package_type does not have a valid value"),
    UnsavableError("Package name pattern has already been taken"),
)
_NO_LEVEL: Final = "A rule must have at least a minimum access role for push or delete."
_KNOWN_FOR_DELETION: Final = {AccessLevel.OWNER: ProtectionLevel.OWNER, AccessLevel.ADMIN: ProtectionLevel.ADMIN}


@routes.get(_RULES, answers=(one(list[ProtectionRuleResource]), MOVED), refusals=_READING)
async def list_protection_rules(request: web.Request) -> web.Response:
    """List the protection rules of a project."""
    async with _maintained(request) as (connection, project):
        found = await protection.list_rules(connection, project.id)
    return reply([_entity(rule) for rule in found])


@routes.post(_RULES, body=NewProtectionRule, answers=one(ProtectionRuleResource, status=201), refusals=_SAVING)
async def add_protection_rule(request: web.Request) -> web.Response:
    """Protect packages of a project: from being published, from being deleted, or from both, below a level."""
    async with _maintained(request) as (_, project):
        pass
    body = await read_gitlab_body(request, NewProtectionRule)
    terms = ProtectionTerms(
        package_type=body.package_type,
        package_name_pattern=body.package_name_pattern or "",
        push_level=_level(body.minimum_access_level_for_push),
        delete_level=_level(body.minimum_access_level_for_delete),
    )
    _require_savable(terms)
    async with request.app[CONTEXT].database.transaction() as connection:
        rule = await protection.add_rule(connection, project.id, terms)
    return reply(_entity(rule), status=201)


@routes.patch(_RULE, body=ProtectionRuleChange, answers=one(ProtectionRuleResource), refusals=(*_SAVING, NotFoundError))
async def change_protection_rule(request: web.Request) -> web.Response:
    """Change a protection rule of a project. Keys that are left out stay as they are."""
    async with _maintained(request) as (_, project):
        (rule_id,) = read_path(request, "package_protection_rule_id")
    change = await read_gitlab_body(request, ProtectionRuleChange)
    async with request.app[CONTEXT].database.transaction() as connection:
        rule = await protection.lock_rule(connection, project.id, rule_id)
        terms = _changed(rule, change)
        _require_savable(terms)
        changed = await protection.change_rule(connection, rule.id, terms)
    return reply(_entity(changed))


@routes.delete(
    _RULE,
    answers=Answer(204, media=Media.EMPTY),
    refusals=(*_CHANGING, NotFoundError, PreconditionFailedError),
)
async def delete_protection_rule(request: web.Request) -> web.Response:
    """Delete a protection rule of a project."""
    async with _maintained(request) as (_, project):
        (rule_id,) = read_path(request, "package_protection_rule_id")
    since = read_unmodified_since(request)
    async with request.app[CONTEXT].database.transaction() as connection:
        rule = await protection.lock_rule(connection, project.id, rule_id)
        # HTTP dates have no fraction of a second.
        if since is not None and rule.updated_at.replace(microsecond=0) > since:
            raise PreconditionFailedError
        await protection.remove_rule(connection, rule.id)
    return no_content()


@asynccontextmanager
async def _maintained(request: web.Request) -> AsyncGenerator[tuple[Connection, Project]]:
    """Give a connection and the project to its maintainers.

    Raises:
        RefusedError: the caller is none, or cannot read the project.
    """
    async with project_visit(request, credential_required=True) as (connection, found):
        await access.require_level(connection, found.caller, found.project, AccessLevel.MAINTAINER)
        yield connection, found.project


def _changed(rule: ProtectionRule, change: ProtectionRuleChange) -> ProtectionTerms:
    given = change.model_fields_set
    push, delete = change.minimum_access_level_for_push, change.minimum_access_level_for_delete
    return ProtectionTerms(
        package_type=change.package_type or rule.package_type,
        package_name_pattern=(change.package_name_pattern or "")
        if "package_name_pattern" in given
        else rule.package_name_pattern,
        push_level=_level(push) if PUSH_LEVEL in given else rule.minimum_access_level_for_push,
        delete_level=_level(delete) if DELETE_LEVEL in given else rule.minimum_access_level_for_delete,
    )


def _require_savable(terms: ProtectionTerms) -> None:
    """Check what GitLab checks of the whole record.

    Raises:
        UnsavableError: the pattern is none of the type, or there is no level.
    """
    problems = pattern_problems(terms.package_type, terms.package_name_pattern)
    if terms.push_level is None and terms.delete_level is None:
        problems.append(_NO_LEVEL)
    if problems:
        raise UnsavableError(*problems)


def _level(level: ProtectionLevel | None) -> AccessLevel | None:
    return None if level is None else level.level


def _entity(rule: ProtectionRule) -> ProtectionRuleResource:
    push, delete = rule.minimum_access_level_for_push, rule.minimum_access_level_for_delete
    return ProtectionRuleResource(
        id=rule.id,
        project_id=rule.project_id,
        package_name_pattern=rule.package_name_pattern,
        package_type=rule.package_type,
        minimum_access_level_for_push=None if push is None else ProtectionLevel(push.name.lower()),
        # GitLab knows no rule that lets maintainers delete: they may anyway.
        minimum_access_level_for_delete=None if delete is None else _KNOWN_FOR_DELETION.get(delete),
    )
