"""The directory file: read it, and make the directory say what it says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.files.directory import DirectoryFile, GroupEntry, ProjectEntry, UserEntry
from schemas.files.directory_checks import repetitions
from schemas.problems import Location, Problem, problems_of
from service.digests import token_digest
from service.directory_file import moves as places
from service.directory_file import rows as directory_rows
from service.directory_file import validation as objections
from service.directory_file.changes import Change, admins_lost, changes_between
from service.directory_file.rows import Counts
from service.directory_file.webhooks import WebhookRules, objections_to_urls, store_webhooks
from service.directory_file.writing import write_directory
from service.directory_file.yaml_lines import Document, YamlError, read_yaml
from service.errors import PackyardError, StartError
from service.infra.postgres.database import Connection, Sessions


class DirectoryFileError(PackyardError):
    """The file is not a directory file, or cannot be applied; each problem has its line."""

    def __init__(self, *problems: tuple[int, Problem]) -> None:
        """Keep the problems in the order of the file."""
        self.problems = sorted(problems, key=lambda found: found[0])
        super().__init__("; ".join(f"line {line}: {problem.sentence()}" for line, problem in self.problems))


@dataclass(frozen=True, slots=True)
class WrittenDirectory:
    """A directory file and the document that it was read from."""

    file: DirectoryFile
    document: Document

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise DirectoryFileError if there is any problem."""
        if problems:
            raise _at_lines(self.document, problems)


def read_directory(path: Path) -> WrittenDirectory:
    """Read a directory file.

    Raises:
        StartError: there is no such file, or it cannot be read.
        DirectoryFileError: it breaks a rule that can be checked without the database.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return parse_directory(content, name=str(path))


def parse_directory(content: bytes, *, name: str) -> WrittenDirectory:
    """Read the content of a directory file; *name* says where it comes from.

    Raises:
        StartError: it is no text.
        DirectoryFileError: it breaks a rule that can be checked without the database.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StartError(f"{name}: is not UTF-8 text") from None
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise DirectoryFileError(*error.problems) from None
    try:
        directory = WrittenDirectory(DirectoryFile.model_validate(document.data), document)
    except ValidationError as error:
        raise _at_lines(document, problems_of(error)) from None
    directory.refuse(list(repetitions(directory.file)))
    return directory


def agree_to_all(_changes: Sequence[Change]) -> None:
    """Let every change through."""


async def apply_directory(
    database: Sessions,
    directory: WrittenDirectory,
    *,
    review: Callable[[Sequence[Change]], None] = agree_to_all,
    webhooks: WebhookRules | None = None,
) -> Mapping[str, Counts]:
    """Make the directory say what the file says, all of it or nothing; return what was done, by kind.

    A user is exactly what the file says, tokens included. In a group or project, the list under a
    key is complete, and a key that is left out stays as it was. Groups and projects that the file does not
    name stay as they were, but go along when a group around them is renamed or moved.

    *webhooks* has the keys for their secrets, and where they may go; without it, a file with webhooks is refused.
    *review* is given all changes before they are committed. Nothing is changed when it raises, so a preview shows
    what the same call would do.

    Raises:
        DirectoryFileError: the file contradicts what is in the database.
    """
    file, rules = directory.file, webhooks or WebhookRules()
    directory.refuse(await objections_to_urls(file, rules))
    async with database.transaction() as connection:
        await directory_rows.lock(connection)
        known = await _find_known(connection, file)
        directory.refuse([*objections.objections_to(file, known), *await _find_unreadable(connection, file)])
        before = await _snapshot(connection, file, known)
        written = await write_directory(connection, file, known=known)
        stored = await store_webhooks(connection, written.groups, written.projects, rules)
        directory.refuse(await _find_too_visible(connection, file))
        after = await _snapshot(connection, file, known)
        review(
            [*admins_lost(before.admins, after.admins), *stored.changes, *changes_between(before.state, after.state)]
        )
    has_webhooks = bool(stored.changes) or stored.unchanged > 0
    return {**written.counts, **({"webhooks": stored.counts} if has_webhooks else {})}


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The part of the directory that a file can change, at one moment."""

    state: directory_rows.State
    admins: Sequence[int]


async def _snapshot(connection: Connection, file: DirectoryFile, known: objections.Existing) -> _Snapshot:
    # We search by id and by name, since new entries have no id before they are written.
    state = await directory_rows.find_state(
        connection,
        usernames=objections.usernames_in(file),
        paths=objections.paths_in(file),
        user_ids=known.users.by_id,
        group_ids=known.groups.by_id,
        project_ids=known.projects.by_id,
        pipeline_ids=_pipelines(file),
    )
    return _Snapshot(state, await directory_rows.count_admins(connection))


async def exchange_tokens(database: Sessions, exchanged: Mapping[str, str]) -> None:
    """Let users and deploy tokens have another token in place of each of these: old -> new.

    An old one is revoked where the new one is there already.
    """
    digests = {token_digest(old): token_digest(new) for old, new in exchanged.items()}
    async with database.transaction() as connection:
        await directory_rows.exchange_tokens(connection, digests)


async def known_tokens(database: Sessions, tokens: Iterable[str]) -> set[str]:
    """Return those of the tokens that somebody has, revoked ones too."""
    digests = {token_digest(token): token for token in tokens}
    async with database.connection() as connection:
        return {digests[digest] for digest in await directory_rows.find_token_owners(connection, digests)}


def _at_lines(document: Document, problems: Sequence[Problem]) -> DirectoryFileError:
    return DirectoryFileError(*((document.line(problem.location), problem) for problem in problems))


async def _find_known(connection: Connection, file: DirectoryFile) -> objections.Existing:
    paths = objections.paths_in(file)
    users = await directory_rows.find_users(connection, objections.usernames_in(file), _ids(file.users))
    found = await directory_rows.find_groups(connection, paths=paths, ids=_ids(file.groups))
    if moving := places.moving_groups(file, found):
        found = await directory_rows.find_groups(connection, paths=paths, ids=_ids(file.groups), around=moving)
    groups = places.groups_afterwards(file, found)
    projects = await directory_rows.find_projects(connection, paths=paths, ids=_ids(file.projects), around=moving)
    return objections.Existing(
        users=places.users_afterwards(file, users),
        groups=groups,
        projects=places.projects_afterwards(file, projects, groups=groups),
        token_owners=await directory_rows.find_token_owners(connection, objections.digests_in(file)),
        pipeline_projects=await directory_rows.find_pipeline_projects(connection, _pipelines(file)),
    )


def _pipelines(file: DirectoryFile) -> Iterable[int]:
    return {token.pipeline.id for project in file.projects for token in project.job_tokens or () if token.pipeline}


def _ids(entries: Sequence[UserEntry] | Sequence[GroupEntry] | Sequence[ProjectEntry]) -> list[int]:
    return [entry.id for entry in entries if entry.id is not None]


async def _find_unreadable(connection: Connection, file: DirectoryFile) -> list[Problem]:
    patterns: list[tuple[Location, str | None]] = [
        (("groups", i, key), pattern)
        for i, group in enumerate(file.groups)
        for key, pattern in (
            ("generic_duplicate_exception_regex", group.generic_duplicate_exception_regex),
            ("nuget_duplicate_exception_regex", group.nuget_duplicate_exception_regex),
            ("maven_duplicate_exception_regex", group.maven_duplicate_exception_regex),
        )
    ]
    return [
        Problem(location, f"should be a regular expression: {reason}")
        for location, pattern in patterns
        if pattern and (reason := await directory_rows.why_unreadable(connection, pattern))
    ]


async def _find_too_visible(connection: Connection, file: DirectoryFile) -> list[Problem]:
    locations: dict[str, Location] = {group.path.lower(): ("groups", i, "path") for i, group in enumerate(file.groups)}
    locations |= {project.path.lower(): ("projects", i, "path") for i, project in enumerate(file.projects)}
    return [
        Problem(
            locations.get(row.path.lower()) or locations[row.parent_path.lower()],
            f"{row.path} is {row.visibility}, but {row.parent_path} around it is {row.parent_visibility}",
        )
        for row in await directory_rows.find_too_visible(connection, list(locations))
    ]
