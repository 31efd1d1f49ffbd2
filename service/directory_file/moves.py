"""The paths and usernames once a directory file is applied.

Paths and usernames in a file are those of afterwards. An entry with a known id gives the new name of that user, group
or project. Everything below a group goes with it, unless an entry with its id says otherwise. An entry without an id
means the user, group or project that will have its name.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.files.directory import DirectoryFile, GroupEntry, ProjectEntry
from service.directory_file.rows import Found

_Entry = TypeVar("_Entry", GroupEntry, ProjectEntry)


class Names:
    """Those of one kind that are in the database: by id, and in lower case by the names that they will have."""

    def __init__(self, found: Collection[Found], becoming: Mapping[int, str], *, chosen: Collection[int]) -> None:
        """Take what is there, with the name of each afterwards, and the ids for which the file *chose* it."""
        self.by_id = {one.id: one for one in found}
        self.becoming = becoming
        self.by_name: dict[str, Found] = {}
        # If two want one name, the one that the file does not mention keeps it.
        for one in sorted(found, key=lambda one: one.id in chosen):
            self.by_name.setdefault(becoming[one.id].lower(), one)

    def renamed(self) -> list[Found]:
        """Return those that will have another name; not if only its case of letters is another."""
        return [one for one in self.by_id.values() if one.name.lower() != self.becoming[one.id].lower()]


@dataclass(frozen=True, slots=True)
class Placement(Generic[_Entry]):
    """A group or project at its place: what it was before, if it was, and what the file says, if anything."""

    place: Found
    before: Found | None
    entry: _Entry | None

    @property
    def has_new_path(self) -> bool:
        """Return whether its path is new to it."""
        return self.before is None or self.before.name.lower() != self.place.name.lower()


def parent_of(path: str) -> str:
    """Return the path of the group around *path*; empty for a group that has none."""
    return path.rpartition("/")[0]


def moving_groups(file: DirectoryFile, groups: Iterable[Found]) -> list[int]:
    """Return the ids of the groups that the file gives another path, and all below them with it."""
    paths = {group.id: group.path for group in file.groups}
    return [group.id for group in groups if group.id in paths and paths[group.id] != group.name]


def users_afterwards(file: DirectoryFile, users: Collection[Found]) -> Names:
    """Return the names that the users will have."""
    chosen = {user.id: user.username for user in file.users if user.id}
    return Names(users, {user.id: chosen.get(user.id, user.name) for user in users}, chosen=chosen.keys())


def groups_afterwards(file: DirectoryFile, groups: Collection[Found]) -> Names:
    """Return the paths that the groups will have; all groups below a moving one have to be among them."""
    chosen = {group.id: group.path for group in file.groups if group.id}
    before = {group.id: group.name for group in groups}
    return Names(groups, {group.id: _carried(group, chosen, before) for group in groups}, chosen=chosen.keys())


def projects_afterwards(file: DirectoryFile, projects: Collection[Found], *, groups: Names) -> Names:
    """Return the paths that the projects will have; all projects below a moving group have to be among them."""
    chosen = {project.id: project.path for project in file.projects if project.id}
    before = {group.id: group.name for group in groups.by_id.values()}
    becoming = {
        project.id: chosen.get(project.id) or _carried(project, groups.becoming, before) for project in projects
    }
    return Names(projects, becoming, chosen=chosen.keys())


def place_groups(entries: Sequence[tuple[int, GroupEntry]], known: Names) -> list[Placement[GroupEntry]]:
    """Give each group its path and ancestry: those of the file and all known ones, the ones around others first."""
    targets = sorted(_targets(entries, known), key=lambda target: target[1].count("/"))
    places: dict[str, Found] = {}
    placements: list[Placement[GroupEntry]] = []
    for group_id, path, entry in targets:
        before = known.by_id.get(group_id)
        around = places.get(parent_of(path).lower())
        if around is not None:
            place = Found(group_id, _path_below(around, path), (*around.ancestry, group_id))
        elif before is not None and parent_of(path):
            place = before
        else:
            place = Found(group_id, path, (group_id,))
        places[path.lower()] = place
        placements.append(Placement(place, before, entry))
    return placements


def place_projects(
    entries: Sequence[tuple[int, ProjectEntry]], known: Names, *, groups: Mapping[str, Found]
) -> list[Placement[ProjectEntry]]:
    """Give each project its path and the groups around it, which are named by their paths in lower case."""
    placements: list[Placement[ProjectEntry]] = []
    for project_id, path, entry in _targets(entries, known):
        before = known.by_id.get(project_id)
        around = groups.get(parent_of(path).lower())
        if around is not None:
            place = Found(project_id, _path_below(around, path), around.ancestry)
            placements.append(Placement(place, before, entry))
    return placements


def _carried(one: Found, paths: Mapping[int, str], before: Mapping[int, str]) -> str:
    # The path follows from the nearest group around it (or itself) whose path afterwards is known.
    carrier = next((group_id for group_id in reversed(one.ancestry) if group_id in paths and group_id in before), None)
    return one.name if carrier is None else paths[carrier] + one.name[len(before[carrier]) :]


def _targets(entries: Sequence[tuple[int, _Entry]], known: Names) -> Iterator[tuple[int, str, _Entry | None]]:
    written = {entry_id for entry_id, _ in entries}
    for entry_id, entry in entries:
        yield entry_id, known.becoming.get(entry_id, entry.path), entry
    yield from ((one.id, known.becoming[one.id], None) for one in known.by_id.values() if one.id not in written)


def _path_below(around: Found, path: str) -> str:
    # The group around it decides the case of letters, even if the file writes that group in another case.
    return f"{around.name}/{path.rpartition('/')[2]}"
