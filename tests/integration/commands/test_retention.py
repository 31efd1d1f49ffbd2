"""`packyard retention`: the rules, what they would do, a run, its report and its approval."""

import csv
import io
import json

from service.context import Context
from service.retention.runs import RunState
from tests.support.commands import Commands, cells_in
from tests.support.retention import fill, found, keep_rule, run, settle


async def test_a_rule_is_shown_previewed_run_and_reported(filled: Context, packyard: Commands) -> None:
    ids = await fill(filled, 3)
    rule = await keep_rule(filled, seen=False, keep_latest=1)

    listed = await packyard.done("retention", "rules", "--project", "acme/open")
    sentence = "deletes packages older than 30 days, but the last of each name"
    assert cells_in(listed.out)[1] == [str(rule.id), "project 100", "old", "first runs dry", sentence]
    preview = await packyard.run("retention", "preview", rule.id)
    assert "2 packages would go, and free 20 bytes" in preview.out
    table = await packyard.done("retention", "preview", rule.id, "-o", "csv")
    verdicts = {int(row["id"]): row["verdict"] for row in csv.DictReader(io.StringIO(table.out))}
    assert verdicts == {ids[0]: "deleted", ids[1]: "deleted", ids[2]: "kept"}
    refused = await packyard.run("retention", "run", rule.id)
    assert (refused.status, refused.err.splitlines()[-1]) == (
        1,
        "packyard: nothing is done: nobody can be asked here, for standard input is no terminal; give --yes",
    )
    run_id = (await packyard.done("retention", "run", rule.id, "--yes", "-o", "name")).out.strip()
    await settle(filled)
    report = json.loads((await packyard.done("retention", "runs", run_id, "--json")).out)
    assert (report["state"], report["dry_run"], [one["outcome"] for one in report["list"]]) == (
        "finished",
        False,
        ["deleted", "deleted", "kept"],
    )
    await packyard.done("retention", "pause", rule.id)
    await packyard.refused(
        "retention", "run", rule.id, "--yes", status=1, line="packyard: the rule is paused: the command line paused it"
    )
    assert (await packyard.done("retention", "resume", rule.id)).out == "rule old runs again\n"
    await packyard.done("deletions", "restore", "--batch", run_id)
    assert cells_in((await packyard.done("retention", "runs")).out)[1][3] == "finished, undone"
    assert "finished, undone; deletions: 2 restored" in (await packyard.done("retention", "runs", run_id)).out


async def test_a_run_that_waits_is_approved(filled: Context, packyard: Commands) -> None:
    await fill(filled, 101)
    rule = await keep_rule(filled)
    run_id = (await packyard.done("retention", "run", rule.id, "--yes", "-o", "name")).out.strip()
    await settle(filled)
    assert "awaiting approval" in (await packyard.done("retention", "runs")).out

    await packyard.done("retention", "approve", run_id, "--yes")

    (line,) = (await packyard.done("retention", "runs", "--json")).lines
    assert (line["id"], line["state"]) == (run_id, RunState.DELETING)
    await packyard.refused(
        "retention", "approve", run_id, "--yes", status=1, line="packyard: the run is deleting, and does not wait"
    )
    await settle(filled)
    assert (await found(filled, line["id"])).state is RunState.FINISHED


async def test_a_run_that_waits_is_refused(filled: Context, packyard: Commands) -> None:
    await fill(filled, 101)
    waiting = await run(filled, await keep_rule(filled))

    assert "refused" in (await packyard.done("retention", "refuse", waiting.id)).out

    refused = await found(filled, waiting.id)
    assert (refused.state, refused.error) == (RunState.REFUSED, "the command line refused it")
