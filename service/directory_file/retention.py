"""Writing the rules of retention of a directory file: a list that is given is complete, and matched by name."""

from collections.abc import Iterable, Sequence

from schemas.files.directory import DirectoryFile, GroupEntry, ProjectEntry
from schemas.retention import RetentionRule
from service.directory_file.rows import Counts
from service.infra.postgres.database import Connection
from service.retention import rules
from service.retention.rules import INSTANCE, RulePlace


def owned_rules(
    file: DirectoryFile, groups: Iterable[tuple[int, GroupEntry]], projects: Iterable[tuple[int, ProjectEntry]]
) -> list[tuple[RulePlace, Sequence[RetentionRule]]]:
    """Return the rules that a file gives, by their place; *groups* and *projects* are its entries by number."""
    found = [(RulePlace(group_id=each), group.retention_rules) for each, group in groups]
    found += [(RulePlace(project_id=each), project.retention_rules) for each, project in projects]
    found.append((INSTANCE, file.retention_rules))
    return [(place, entries) for place, entries in found if entries is not None]


async def store_retention_rules(
    connection: Connection, owned: Iterable[tuple[RulePlace, Sequence[RetentionRule]]]
) -> Counts:
    """Let each place have exactly these rules; one that keeps its name keeps its number, and its past."""
    created = updated = unchanged = removed = 0
    for place, entries in owned:
        known = {stored.rule.name: stored for stored in await rules.list_rules(connection, place)}
        wanted = {rule.name: rule for rule in entries}
        for name in known.keys() - wanted.keys():
            await rules.remove_rule(connection, known[name])
            removed += 1
        for name, rule in wanted.items():
            if name not in known:
                await rules.add_rule(connection, place, rule)
                created += 1
            elif known[name].rule != rule:
                await rules.change_rule(connection, known[name], rule)
                updated += 1
            else:
                unchanged += 1
    return Counts(created, updated, unchanged, removed)
