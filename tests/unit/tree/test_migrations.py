"""The migrations: a chain in the order of their numbers."""

from itertools import pairwise

from service.infra.postgres.schema_version import VERSIONS


def test_each_migration_follows_the_one_of_the_number_before() -> None:
    scripts = sorted(VERSIONS.glob("[0-9]*.py"))
    revisions = [script.stem.partition("_")[0] for script in scripts]

    assert [int(revision) for revision in revisions] == list(range(1, len(scripts) + 1))
    for script, (before, revision) in zip(scripts[1:], pairwise(revisions), strict=True):
        assert f'\nrevision = "{revision}"\ndown_revision = "{before}"\n' in script.read_text(encoding="utf-8")
