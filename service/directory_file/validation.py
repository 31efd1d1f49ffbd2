"""The contents of a directory file, compared with the database."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.fields import DEEPEST
from schemas.files.directory import DirectoryFile
from schemas.problems import Location, Problem
from service.digests import token_digest
from service.directory_file.moves import Names, parent_of
from service.directory_file.rows import Found, Owner


@dataclass(frozen=True, slots=True)
class Existing:
    """The facts in the database about the things that a file names, or moves."""

    users: Names
    groups: Names
    projects: Names
    token_owners: Mapping[bytes, Owner]
    pipeline_projects: Mapping[int, int]


def usernames_in(file: DirectoryFile) -> set[str]:
    """Return every username that the file mentions, in lower case."""
    return {user.username.lower() for user in file.users} | {name.lower() for _, name in _references(file)}


def paths_in(file: DirectoryFile) -> set[str]:
    """Return every path that the file mentions, parents too, in lower case."""
    paths = {group.path.lower() for group in file.groups} | {project.path.lower() for project in file.projects}
    return paths | {parent_of(path) for path in paths} - {""} | {path.lower() for _, path in _allowlists(file)}


def digests_in(file: DirectoryFile) -> dict[bytes, tuple[Location, tuple[str, str]]]:
    """Return the digest of every token in the file, with its place and its owner."""
    found: dict[bytes, tuple[Location, tuple[str, str]]] = {}
    for i, user in enumerate(file.users):
        for j, token in enumerate(user.tokens):
            digest = token_digest(token.token.get_secret_value())
            found[digest] = ("users", i, "tokens", j, "token"), ("user", user.username)
    for i, project in enumerate(file.projects):
        for j, deploy_token in enumerate(project.deploy_tokens or ()):
            digest = token_digest(deploy_token.token.get_secret_value())
            found[digest] = ("projects", i, "deploy_tokens", j, "token"), ("deploy token of", project.path)
        for j, job_token in enumerate(project.job_tokens or ()):
            digest = token_digest(job_token.token.get_secret_value())
            found[digest] = ("projects", i, "job_tokens", j, "token"), ("job token of", project.path)
    return found


def objections_to(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    """Find what cannot be applied to the database as it is."""
    yield from _foreign_ids("users", ((user.username, user.id) for user in file.users), known.users)
    yield from _foreign_ids("groups", ((group.path, group.id) for group in file.groups), known.groups)
    yield from _foreign_ids("projects", ((project.path, project.id) for project in file.projects), known.projects)
    yield from _misplaced(file, known)
    yield from _too_deep(file, known)
    yield from _missing_names(file, known)
    yield from _foreign_tokens(file, known)
    yield from _foreign_pipelines(file, known)


def _references(file: DirectoryFile) -> Iterator[tuple[Location, str]]:
    for kind in ("groups", "projects"):
        for i, entry in enumerate(getattr(file, kind)):
            yield from (((kind, i, "members", name), name) for name in entry.members or ())
    for i, project in enumerate(file.projects):
        for j, token in enumerate(project.job_tokens or ()):
            yield ("projects", i, "job_tokens", j, "user"), token.user


def _allowlists(file: DirectoryFile) -> Iterator[tuple[Location, str]]:
    for i, project in enumerate(file.projects):
        for j, path in enumerate(project.job_token_allowlist or ()):
            yield ("projects", i, "job_token_allowlist", j), path


def _foreign_ids(kind: str, named: Iterable[tuple[str, int | None]], known: Names) -> Iterator[Problem]:
    for i, (name, chosen) in enumerate(named):
        present = known.by_name.get(name.lower())
        if chosen is None or present is None or present.id == chosen:
            continue
        holder, taken = known.by_id.get(chosen), known.becoming[present.id]
        if holder is None:
            rule = f"{taken} has the id {present.id}, which cannot change"
        else:
            rule = f"id {chosen} belongs to {holder.name}, and {taken} has the id {present.id}"
        yield Problem((kind, i, "id"), rule)


def _misplaced(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    groups = {group.path.lower() for group in file.groups} | known.groups.by_name.keys()
    for kind, others in (("groups", known.projects), ("projects", known.groups)):
        for i, entry in enumerate(getattr(file, kind)):
            parent = parent_of(entry.path)
            if parent and parent.lower() not in groups:
                before = known.groups.by_id.get(entry.id) if kind == "groups" else None
                yield Problem((kind, i, "path"), _no_parent(parent, before, known))
            if entry.path.lower() in others.by_name:
                yield Problem(
                    (kind, i, "path"),
                    f"{entry.path} is a {'project' if kind == 'groups' else 'group'} already",
                )


def _no_parent(parent: str, before: Found | None, known: Existing) -> str:
    if before is not None and f"{parent}/".lower().startswith(f"{before.name}/".lower()):
        return f"{before.name} cannot move below itself"
    moved = (group for group in known.groups.renamed() if group.name.lower() == parent.lower())
    return f"there is no group {parent}" + "".join(f": it becomes {known.groups.becoming[one.id]}" for one in moved)


def _too_deep(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    carriers = {group.path.lower(): i for i, group in enumerate(file.groups)}
    found: dict[int, str] = {}
    for path in [*known.groups.becoming.values(), *known.projects.becoming.values()]:
        around = parent_of(path).lower() if path.count("/") >= DEEPEST else ""
        while around and around not in carriers:
            around = parent_of(around)
        if around:
            found.setdefault(carriers[around], path)
    for i, path in found.items():
        yield Problem(("groups", i, "path"), f"{path} would have more than {DEEPEST} segments")


def _missing_names(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    users = {user.username.lower() for user in file.users} | known.users.by_name.keys()
    for location, name in _references(file):
        if name.lower() not in users:
            yield Problem(location, f"there is no user {name}")
    projects = {project.path.lower() for project in file.projects} | known.projects.by_name.keys()
    for location, path in _allowlists(file):
        if path.lower() not in projects:
            yield Problem(location, f"there is no project {path}")


def _foreign_tokens(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    for digest, (location, (kind, name)) in digests_in(file).items():
        before = known.token_owners.get(digest)
        owner = (known.users if kind == "user" else known.projects).by_name.get(name.lower())
        if before is not None and (owner is None or (before.kind, before.id) != (kind, owner.id)):
            yield Problem(location, f"is already a token of another owner ({before.kind} {before.name})")


def _foreign_pipelines(file: DirectoryFile, known: Existing) -> Iterator[Problem]:
    for i, project in enumerate(file.projects):
        present = known.projects.by_name.get(project.path.lower())
        for j, token in enumerate(project.job_tokens or ()):
            owner = known.pipeline_projects.get(token.pipeline.id) if token.pipeline else None
            if token.pipeline and owner is not None and (present is None or present.id != owner):
                location = ("projects", i, "job_tokens", j, "pipeline", "id")
                yield Problem(location, f"pipeline {token.pipeline.id} belongs to another project")
