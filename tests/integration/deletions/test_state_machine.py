"""Every order of what may happen to packages and their deletions, against a model; hypothesis chooses the orders.

STATE_MACHINE_EXAMPLES=2000 tries more of them, STATE_MACHINE_STEPS=100 longer ones, STATE_MACHINE_RANDOM=1 others each
time.
"""

import asyncio
import os
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as trial
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from schemas.names import AccessLevel, Lane
from schemas.statuses import PackageStatus
from service.context import Context, open_context
from service.deletions import bulk, holds
from service.deletions.bulk import Wanted
from service.deletions.deletion import Deletion
from service.deletions.holds import Place
from service.deletions.outcome import AttemptOutcome
from service.deletions.undoing import requeue
from service.deletions.undoing import restore as undoing
from service.deletions.undoing.acts import DeletionChange
from service.settings import Settings
from tests.support.catalogue import ACTOR, OPEN, delete, delete_file, fill_directory, origin, publish, restore
from tests.support.model import Deletion as Accepted
from tests.support.model import Thing
from tests.support.modelled import ModelledYard
from tests.support.races import OK
from tests.support.stepwise import Worker, with_settings
from workers.deleter.batch import carry_out

_EXAMPLES: Final = int(os.environ.get("STATE_MACHINE_EXAMPLES", "60"))  # noqa: TID251 - of the trial, not of the service
_STEPS: Final = int(os.environ.get("STATE_MACHINE_STEPS", "40"))  # noqa: TID251 - likewise
_IS_RANDOM: Final = "STATE_MACHINE_RANDOM" in os.environ  # noqa: TID251 - likewise
_SHRINKS: Final = "STATE_MACHINE_QUICK" not in os.environ  # noqa: TID251 - likewise
_GRACE: Final = timedelta(hours=1)
_RESEND: Final = timedelta(minutes=1)
_NAMES: Final = ["app", "lib"]
_VERSION: Final = "1.0"
_STATUSES: Final = [None] * 6 + [PackageStatus.DEFAULT, PackageStatus.HIDDEN]
_PROTECT: Final = (
    "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
    " VALUES (100, 'generic', $1, 50) ON CONFLICT DO NOTHING"
)
_PEOPLE: Final = ["publish"] * 2 + ["delete"] * 3 + ["delete_file"] * 3 + ["restore"] * 3 + ["retry", "bulk_delete"]
_WORKERS: Final = ["claim"] * 5 + ["look", "remove", "record"] * 2 + ["destroy_chunk", "fail", "carry_out"] * 2
_RARELY: Final = [
    *("put_off", "release", "renew", "let_lapse", "let_be_due", "destroy_now", "bulk_restore"),
    *("protect", "unprotect", "deprecate", "hold", "lift"),
]


class _Yard(ModelledYard):
    """One rule with many steps to choose from: of several rules, hypothesis would leave out some in each example."""

    @initialize()
    def begin(self) -> None:
        self.batches: list[UUID] = []
        for name in _NAMES * 2:
            self._publish(name, None)

    @rule(step=st.sampled_from(_PEOPLE + _WORKERS + _RARELY), data=st.data())
    def take(self, step: str, data: st.DataObject) -> None:
        self.data = data
        getattr(self, step)()

    # What people do

    def publish(self) -> None:
        self._publish(self.draw(_NAMES, "name"), self.draw(_STATUSES, "status"))

    def _publish(self, name: str, status: PackageStatus | None) -> None:
        model = self.model
        expected = model.owner_of(name, _VERSION)
        content = str(len(model.files)).encode()
        number = self.run(publish(self.context, name=name, version=_VERSION, status=status, content=content))
        (row,) = self.rows("SELECT * FROM package_file ORDER BY id DESC LIMIT 1")

        assert model.packages.get(number) is expected
        assert row["storage_key"] not in {file.name for file in model.files.values()}
        package = expected or Thing(name, _VERSION)
        package.status = status or package.status
        model.packages[number] = package
        model.files[row["id"]] = Thing(row["storage_key"], package=package)
        self.published[row["id"]] = (dict(row), content)

    def deprecate(self) -> None:
        number = self.draw_newest(self.model.packages, "package")
        self.rows("UPDATE package SET status = 'deprecated' WHERE id = $1 AND status = 'default'", number)
        package = self.model.packages[number]
        package.status = "deprecated" if package.status == "default" else package.status

    def delete(self) -> None:
        number = self.draw_newest(self.model.packages, "package")
        self._accept(delete(self.context, number), self.model.packages[number])

    def delete_file(self) -> None:
        number = self.draw_newest(self.model.files, "file")
        file = self.model.files[number]
        (package,) = (n for n, thing in self.model.packages.items() if thing is file.package)
        self._accept(delete_file(self.context, package, number), file)

    def _accept(self, step: Coroutine[Any, Any, Deletion], target: Thing) -> None:
        deletion = self.answered(step, self.model.delete(target))
        if deletion:
            self.model.accept(deletion.id, target)

    def bulk_delete(self) -> None:
        numbers = self.data.draw(st.lists(st.sampled_from(list(self.model.packages)), min_size=1, unique=True))
        batch = uuid4()
        asked = replace(origin(lane=Lane.BULK), batch_id=batch)
        wanted = Wanted(tuple(numbers), {OPEN: AccessLevel.MAINTAINER})
        expected = {number for number in numbers if self.model.delete(self.model.packages[number]) == OK}
        plan = self.run(bulk.delete_packages(self.context.deletions, asked, wanted))

        assert plan.deletion_ids.keys() == expected
        assert plan.refused.keys() == set(numbers) - expected
        for number, deletion in plan.deletion_ids.items():
            self.model.accept(deletion, self.model.packages[number])
        self.batches += [batch] * bool(expected)

    def bulk_restore(self) -> None:
        if self.batches:
            batch = self.draw_newest(self.batches, "batch")
            rows = self.rows("SELECT id FROM deletion WHERE batch_id = $1 ORDER BY id", batch)
            expected = {row["id"]: self.model.restore(self.model.deletions[row["id"]]) for row in rows}
            step = undoing.restore_batch(self.context.deletions, batch, actor=ACTOR, project_ids=[OPEN])
            undone = self.run(step)
            assert {deletion.id for deletion in undone.restored} == {
                n for n, answer in expected.items() if answer == OK
            }
            assert undone.refused.keys() == {n for n, answer in expected.items() if answer != OK}

    def restore(self) -> None:
        if self.model.deletions:
            number = self.draw_newest(self.model.deletions, "deletion")
            version = self.draw([None, None, None, _VERSION, "2.0"], "version")
            expected = self.model.restore(self.model.deletions[number], version)
            self.answered(restore(self.context, number, rename_to=version), expected)

    def retry(self) -> None:
        if self.model.deletions:
            number = self.draw_newest(self.model.deletions, "deletion")
            step = requeue.retry(self.context.deletions, DeletionChange(number, ACTOR, level=AccessLevel.MAINTAINER))
            self.answered(step, self.model.retry(self.model.deletions[number]))

    def destroy_now(self) -> None:
        if self.model.deletions:
            number = self.draw_newest(self.model.deletions, "deletion")
            step = requeue.destroy_now(self.context.deletions, DeletionChange(number, ACTOR))
            self.answered(step, self.model.destroy_now(self.model.deletions[number]))

    def protect(self) -> None:
        name = self.draw(_NAMES, "name")
        self.rows(_PROTECT, name)
        self.model.protected.add(name)

    def unprotect(self) -> None:
        self.rows("TRUNCATE protection_rule")
        self.model.protected.clear()

    def hold(self) -> None:
        self._put_on_hold("an audit")

    def lift(self) -> None:
        self._put_on_hold(None)

    def _put_on_hold(self, reason: str | None) -> None:
        self.run(holds.put_on_hold(self.context.database, Place.PROJECT, str(OPEN), reason=reason))
        self.model.is_on_hold = reason is not None

    # What workers do

    def claim(self) -> None:
        if not self.model.deletions:
            return
        worker, ids = Worker(), list(self.model.deletions)
        match self.draw(["one", "one", "all", "again"], "which"):
            case "one":
                ids = [self.draw_newest(ids, "deletion")]
            case "again" if self.workers:
                worker = self.draw_worker()
                ids = list(worker.owned)
        has_grace = self.draw([False, True], "has grace")
        context = with_settings(self.context, grace_period=_GRACE if has_grace else timedelta(0))
        claimed = self.run(worker.claim(context, *ids))
        assert claimed == self.model.claim(ids, worker.token, has_grace=has_grace)
        if claimed and worker not in self.workers:
            self.workers.append(worker)

    def look(self) -> None:
        worker, limit = self.draw_worker(), self.draw([1_000, 1, 2], "limit")
        self.run(worker.look(self.context, limit=limit))
        found, removable = {self.model.files[file.id] for file in worker.files}, self.model.removable(worker.token)
        assert found <= set(removable)
        assert len(found) == len(worker.files) == min(limit, len(removable))
        self.model.look(worker.token, found)

    def remove(self) -> None:
        self.run(self.draw_worker().remove(self.context))

    def record(self) -> None:
        worker = self.draw_worker()
        removed = [(self.model.deletions[file.deletion_id], self.model.files[file.id]) for file in worker.removed]
        claimed = set(worker.owned)
        outcomes = self.run(worker.record(self.context))
        owned = self.model.owned(worker.token)
        ended = self.model.record(worker.token, removed)
        expected = {n: self._outcome(self.model.deletions[n], owned, ended) for n in claimed}
        assert outcomes == {n: outcome for n, outcome in expected.items() if outcome}

    def _outcome(
        self, deletion: Accepted, owned: Collection[Accepted], ended: Collection[Accepted]
    ) -> AttemptOutcome | None:
        if deletion not in owned:
            return AttemptOutcome.LOST
        if deletion in ended:
            return AttemptOutcome.SUCCEEDED
        return AttemptOutcome.ON_HOLD if self.model.is_on_hold else None

    def destroy_chunk(self) -> None:
        self.look()
        self.remove()
        self.record()

    def put_off(self) -> None:
        worker = self.draw_worker()
        self.run(worker.fail(self.context))
        self.model.let_go(worker.token, is_counted=True)

    def fail(self) -> None:
        worker = self.draw_worker()
        self.run(worker.fail(self.context, is_last_attempt=True))
        self.model.fail(worker.token)

    def release(self) -> None:
        worker = self.draw_worker()
        self.run(worker.release(self.context))
        self.model.let_go(worker.token, is_counted=False)

    def renew(self) -> None:
        worker = self.draw_worker()
        owned = self.model.owned(worker.token)
        assert self.run(worker.renew(self.context)) == len(owned)
        for deletion in owned:
            deletion.has_lapsed = False

    def carry_out(self) -> None:
        """The whole of an attempt, as a worker does it; the store may be away at that time."""
        if not self.model.deletions:
            return
        number, token, mark = self.draw_newest(self.model.deletions, "deletion"), uuid4(), self.folder / ".packyard"
        is_away = self.draw([True, False], "store is away")
        if is_away:
            mark.rename(self.folder / ".away")
        self.run(carry_out(self.context, [number], asyncio.Event(), token=token))
        if is_away:
            (self.folder / ".away").rename(mark)

        self.model.claim([number], token, has_grace=False)
        deletion, files = self.model.deletions[number], self.model.removable(token)
        self.model.look(token, set(files))
        if not (is_away and files):
            self.model.record(token, [(deletion, file) for file in files])
        else:
            self.model.let_go(token, is_counted=False, is_due=False)

    # What time does

    def let_lapse(self) -> None:
        self.rows("UPDATE deletion SET lease_until = now() - interval '1 second' WHERE claim IS NOT NULL")
        for deletion in self.model.deletions.values():
            deletion.has_lapsed = True

    def let_be_due(self) -> None:
        self.rows("UPDATE deletion SET not_before = now()")
        for deletion in self.model.deletions.values():
            deletion.is_due = True


@contextmanager
def _context(settings: Settings, runner: asyncio.Runner) -> Iterator[Context]:
    opening = open_context(settings)
    context = runner.run(opening.__aenter__())
    try:
        yield context
    finally:
        runner.run(opening.__aexit__(None, None, None))


@pytest.mark.timeout(_EXAMPLES * _STEPS / 8 + 60)
def test_in_every_order_the_yard_is_as_its_model(settings: Settings, tmp_path: Path) -> None:
    numbers = count()
    with asyncio.Runner() as runner, _context(settings, runner) as context:
        runner.run(fill_directory(context))

        class Yard(_Yard):
            def __init__(self) -> None:
                super().__init__(context, tmp_path / str(next(numbers)), runner)

        run_state_machine_as_test(
            Yard,
            settings=trial(
                max_examples=_EXAMPLES,
                stateful_step_count=_STEPS,
                derandomize=not _IS_RANDOM,
                database=None,
                deadline=None,
                report_multiple_bugs=False,
                phases=[phase for phase in Phase if _SHRINKS or phase is not Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
