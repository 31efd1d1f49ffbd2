"""Checks that a directory file says nothing twice."""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.files.directory import DirectoryFile, ProjectEntry
from schemas.problems import Location, Problem, written

RESERVED: Final = frozenset({"api", "groups", "users", "-", "favicon.ico", "robots.txt"})
"""Names in the addresses of pages, in place of a group or a user."""


def repetitions(file: DirectoryFile) -> Iterator[Problem]:
    """Find repetitions of what may occur only once: names, ids, tokens, members, rules, pipelines and the like."""
    yield from _repeated((("users", i, "username"), user.username.lower()) for i, user in enumerate(file.users))
    for kind in ("users", "groups", "projects"):
        entries = enumerate(getattr(file, kind))
        yield from _repeated(((kind, i, "id"), entry.id) for i, entry in entries if entry.id)
    yield from _repeated(
        ((kind, i, "path"), entry.path.lower())
        for kind in ("groups", "projects")
        for i, entry in enumerate(getattr(file, kind))
    )
    yield from _repeated(_tokens(file))
    for kind in ("groups", "projects"):
        for i, entry in enumerate(getattr(file, kind)):
            names = entry.members or ()
            yield from _repeated(((kind, i, "members", name), name.lower()) for name in names)
            hooks = enumerate(entry.webhooks or ())
            yield from _repeated(((kind, i, "webhooks", j, "name"), hook.name.lower()) for j, hook in hooks)
    for i, project in enumerate(file.projects):
        yield from _repeated(_rules(i, project))
        paths = enumerate(project.job_token_allowlist or ())
        yield from _repeated((("projects", i, "job_token_allowlist", j), path.lower()) for j, path in paths)
    yield from _repeated(_retention_rules(file))
    yield from _contradicting_pipelines(file)


def reserved_names(file: DirectoryFile) -> list[str]:
    """Return the usernames, and the paths of root groups, that addresses of pages need; each has no page of its own."""
    names = [user.username for user in file.users]
    paths = [*(group.path for group in file.groups), *(project.path for project in file.projects)]
    names += [path.partition("/")[0] for path in paths]
    return sorted({name for name in names if name.lower() in RESERVED})


def _repeated(places: Iterable[tuple[Location, object]]) -> Iterator[Problem]:
    first: dict[object, Location] = {}
    for location, value in places:
        if (before := first.setdefault(value, location)) is not location:
            yield Problem(location, f"is already at {written(before)}")


def _tokens(file: DirectoryFile) -> Iterator[tuple[Location, str]]:
    for i, user in enumerate(file.users):
        for j, token in enumerate(user.tokens):
            yield ("users", i, "tokens", j, "token"), token.token.get_secret_value()
    for i, project in enumerate(file.projects):
        for j, deploy_token in enumerate(project.deploy_tokens or ()):
            yield ("projects", i, "deploy_tokens", j, "token"), deploy_token.token.get_secret_value()
        for j, job_token in enumerate(project.job_tokens or ()):
            yield ("projects", i, "job_tokens", j, "token"), job_token.token.get_secret_value()


def _rules(i: int, project: ProjectEntry) -> Iterator[tuple[Location, object]]:
    for j, rule in enumerate(project.protection_rules or ()):
        yield ("projects", i, "protection_rules", j), (rule.package_type, rule.package_name_pattern)


def _retention_rules(file: DirectoryFile) -> Iterator[tuple[Location, object]]:
    for i, rule in enumerate(file.retention_rules or ()):
        yield ("retention_rules", i, "name"), rule.name
    for kind in ("groups", "projects"):
        for i, entry in enumerate(getattr(file, kind)):
            for j, rule in enumerate(entry.retention_rules or ()):
                yield (kind, i, "retention_rules", j, "name"), (kind, i, rule.name)


def _contradicting_pipelines(file: DirectoryFile) -> Iterator[Problem]:
    # Several jobs of one pipeline are ordinary, as long as they agree on what it is.
    first: dict[int, tuple[object, Location]] = {}
    for i, project in enumerate(file.projects):
        for j, token in enumerate(project.job_tokens or ()):
            if token.pipeline is None:
                continue
            location: Location = ("projects", i, "job_tokens", j, "pipeline")
            said, place = first.setdefault(token.pipeline.id, ((i, token.pipeline), location))
            if said != (i, token.pipeline):
                yield Problem((*location, "id"), f"is another pipeline at {written(place)}")
