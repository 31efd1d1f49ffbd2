"""Each address of a page, opened once with an object that is there."""

from service.app import create_app
from service.context import Context
from tests.support.browsing import browsing
from tests.support.catalogue import delete, publish, query
from tests.support.receivers import with_webhooks
from tests.support.retention import fill, keep_rule, run

_PIPELINE = 7


async def test_every_page_of_an_object_that_is_there_opens(filled: Context) -> None:
    """Pages of groups and of the instance may miss the rules, runs, batches and webhooks, which belong to a project."""
    context = with_webhooks(filled)
    async with browsing(context, external_url=None) as browser:
        await browser.sign_in("root-token")
        await browser.submit("/acme/open/-/hooks", "/acme/open/-/hooks", url="http://127.0.0.1:9999/")
        (hook,) = await query(filled, "SELECT id FROM webhook")
        values = {**await _objects(filled), "hook_id": hook["id"]}
        statuses = {}
        for address in _addresses(context):
            path = "acme" if address.startswith("/groups/") else "acme/open"
            statuses[address] = (await browser.get(address.format(**values, path=path))).status

    missing = {address for address, status in statuses.items() if status == 404}
    assert {address: status for address, status in statuses.items() if status not in (200, 404)} == {}
    assert {address for address in missing if address.startswith("/{path}")} == set()
    assert all("_id}" in address for address in missing)
    assert len(statuses) > 50


async def _objects(context: Context) -> dict[str, object]:
    await fill(context, 7)
    rule = await keep_rule(context, package_types=["npm"])
    done = await run(context, rule)
    await delete(context, await publish(context, name="gone"))
    package_id = await publish(context, name="kept")
    await query(
        context,
        "WITH made AS (INSERT INTO pipeline (id, iid, project_id, sha, ref, status)"
        " VALUES ($2, 1, 100, '2f1b3c', 'main', 'success') RETURNING id)"
        " INSERT INTO package_build (package_id, pipeline_id) SELECT $1, id FROM made",
        package_id,
        _PIPELINE,
    )
    (file,) = await query(context, "SELECT id FROM package_file WHERE package_id = $1 LIMIT 1", package_id)
    (batch,) = await query(context, "SELECT batch_id FROM deletion WHERE batch_id IS NOT NULL LIMIT 1")
    (single,) = await query(context, "SELECT id FROM deletion WHERE package_name = 'gone'")
    return {
        "room": "packages",
        "package_id": package_id,
        "package_file_id": file["id"],
        "pipeline_id": _PIPELINE,
        "rule_id": rule.id,
        "run_id": done.id,
        "batch_id": batch["batch_id"],
        "deletion_id": single["id"],
        "kind": "csv",
    }


def _addresses(context: Context) -> list[str]:
    """Return the addresses that serve GET to browsers, without streams and loaded files."""
    resources = [
        resource for resource in create_app(context).router.resources() if "GET" in {r.method for r in resource}
    ]
    found = [resource.canonical for resource in resources]
    return [
        address
        for address in found
        if not address.startswith(("/api", "/-/live", "/-/ready", "/-/metrics", "/-/assets"))
        and not address.endswith("/live")
    ]
