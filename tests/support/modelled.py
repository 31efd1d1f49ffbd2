"""A yard beside its model: after each step the two are compared, and the promises are checked."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from typing_extensions import override

from service.context import Context
from service.deletions import wake
from service.infra.storage.folder.store import open_folder
from service.refusals import RefusedError
from tests.support.catalogue import objects_in, query
from tests.support.model import GONE, Model, Thing, unfinished
from tests.support.races import OK
from tests.support.stepwise import Worker, with_settings
from workers.deleter.batch import carry_out

MAX_ATTEMPTS: Final = 2

_LATER: Final = (
    "UPDATE deletion SET not_before = now(), wake_at = now(), lease_until = lease_until - interval '1 day'"
    " WHERE finished_at IS NULL"
)
_ROUNDS: Final = 5
_T = TypeVar("_T")


class ModelledYard(RuleBasedStateMachine):
    """One project's packages, deletions and workers; whatever was there once stays listed, to be tried again."""

    def __init__(self, context: Context, folder: Path, runner: asyncio.Runner) -> None:
        super().__init__()
        store = open_folder(folder)
        self.context = replace(with_settings(context, max_attempts=MAX_ATTEMPTS), store=store)
        self.folder = folder
        self.model = Model(MAX_ATTEMPTS)
        self.workers: list[Worker] = []
        self.published: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self.data: st.DataObject
        self._runner = runner
        self._is_as_expected = False
        self.run(store.adopt())
        self.rows("TRUNCATE package, package_file, deletion, outbox, protection_rule RESTART IDENTITY CASCADE")
        self.rows("UPDATE project SET deletion_hold = NULL")

    # Choosing

    def draw(self, values: Sequence[_T], label: str) -> _T:
        """Choose one of the values."""
        return self.data.draw(st.sampled_from(values), label=label)

    def draw_newest(self, values: Mapping[_T, object] | Sequence[_T], label: str) -> _T:
        """Choose one of the newest values, the last one most often."""
        listed = list(values)
        return listed[-1 - self.draw([0, 0, 0, 1, 1, 2, 3, 4], label) % len(listed)]

    def draw_worker(self) -> Worker:
        """Choose a worker, that of the last claim most often; one that holds nothing, if there is no other."""
        return self.draw_newest(self.workers or [Worker()], "worker")

    # Acting

    def run(self, step: Coroutine[Any, Any, _T]) -> _T:
        """Take one step of the yard."""
        self._is_as_expected = False
        return self._runner.run(step)

    def answered(self, step: Coroutine[Any, Any, _T], expected: int) -> _T | None:
        """Take a step that may be refused, and return its result unless it was."""
        try:
            result: _T | None = self.run(step)
            answer = OK
        except RefusedError as error:
            result, answer = None, error.status
        assert answer == expected
        return result

    def rows(self, sql: str, *values: object) -> Sequence[Mapping[str, Any]]:
        """Ask the database, or reach into it."""
        return self.run(query(self.context, sql, *values))

    # Comparing

    @invariant()
    def is_as_in_the_model(self) -> None:
        """Compare every row; then check the promises."""
        seen = self.run(self._see())
        model = self.model
        assert {row["id"]: (row["name"], row["version"], row["status"]) for row in seen["package"]} == {
            number: (thing.name, thing.version, thing.status) for number, thing in _left(model.packages).items()
        }
        assert {row["id"]: row["status"] for row in seen["package_file"]} == {
            number: thing.status for number, thing in _left(model.files).items()
        }
        assert {row["id"]: (row["state"], row["files_done"]) for row in seen["deletion"]} == {
            number: (deletion.state, deletion.removed) for number, deletion in model.deletions.items()
        }
        assert {row["id"]: row["attempts"] for row in seen["deletion"] if row["finished_at"] is None} == {
            number: deletion.attempts for number, deletion in model.deletions.items() if unfinished([deletion])
        }
        self._keep_promises(seen)
        self._is_as_expected = True

    def _keep_promises(self, seen: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        objects = objects_in(self.folder)
        rows = {row["id"]: row for row in seen["package_file"]}
        statuses = {row["id"]: row["status"] for row in seen["package"]}
        destroyed = Counter(row["body"]["data"]["package_id"] for row in seen["outbox"])
        # No file row goes before its object, no package row before its files; nor is an event sent that says so.
        assert objects <= {row["storage_key"] for row in rows.values()}
        assert {row["package_id"] for row in rows.values()} <= statuses.keys()
        assert destroyed == Counter(number for number, thing in self.model.packages.items() if thing.status == GONE)
        for number, row in rows.items():
            was, content = self.published[number]
            # A thing that is there, or is there again, has not changed.
            assert {**was, **_mutable(row)} == dict(row)
            is_alive = row["status"] == "default" and statuses[row["package_id"]] in {"default", "hidden", "deprecated"}
            if is_alive or self.model.is_whole(self.model.files[number]):
                assert (self.folder / row["storage_key"]).read_bytes() == content

    async def _see(self) -> dict[str, list[Any]]:
        tables = {
            "package": "",
            "package_file": "",
            "deletion": "",
            "outbox": "WHERE routing_key LIKE 'package.destroyed.%'",
        }
        async with self.context.database.connection() as connection:
            return {t: await connection.fetch(f"SELECT * FROM {t} {where}") for t, where in tables.items()}  # noqa: S608

    @override
    def teardown(self) -> None:
        """Remove the obstacles, and let time pass: the scheduler and a worker end all that was accepted."""
        if not self._is_as_expected:
            return
        self.rows("TRUNCATE protection_rule")
        self.rows("UPDATE project SET deletion_hold = NULL")
        patient = with_settings(self.context, max_attempts=100)
        for _ in range(_ROUNDS):
            self.rows(_LATER)
            self.rows("DELETE FROM outbox WHERE kind = 'command'")
            self.run(wake.wake(patient.deletions, limit=1_000))
            for command in self.rows("SELECT body FROM outbox WHERE kind = 'command'"):
                self.run(carry_out(patient, [UUID(n) for n in command["body"]["deletion_ids"]], asyncio.Event()))
        assert self.rows("SELECT * FROM deletion WHERE finished_at IS NULL") == []
        leaving = "SELECT id FROM {} WHERE status IN ('processing', 'pending_destruction')"
        assert self.rows(leaving.format("package")) == self.rows(leaving.format("package_file")) == []
        kept = {row["storage_key"]: row["status"] for row in self.rows("SELECT * FROM package_file")}
        assert {key for key, status in kept.items() if status == "default"} <= objects_in(self.folder) <= kept.keys()


def _mutable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: row[column] for column in ("status", "updated_at")}


def _left(things: Mapping[int, Thing]) -> dict[int, Thing]:
    return {number: thing for number, thing in things.items() if thing.status != GONE}
