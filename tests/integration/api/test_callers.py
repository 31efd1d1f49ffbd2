"""Which credential of a request counts, and which links its caller gets."""

from aiohttp import MultipartWriter, encode_basic_auth

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import json_of, token


async def test_of_several_credentials_the_first_good_one_counts(client: Client) -> None:
    path = "/api/v4/projects/102/packages"
    basic = encode_basic_auth("anybody", "maintainer-token")

    last_counts = await client.get(f"{path}?private_token=x&private_token=maintainer-token")
    passed_over = await client.get(
        f"{path}/generic/app/1.0/app.bin", headers={"Deploy-Token": "x", "Authorization": basic}
    )
    form = await client.delete(f"{path}/1", data={"private_token": "maintainer-token"})
    parts = MultipartWriter("form-data")
    parts.append("maintainer-token").set_content_disposition("form-data", name="private_token")
    multipart = await client.delete(f"{path}/1", data=parts)

    assert last_counts.status == 200
    assert await json_of(passed_over) == {"message": "404 Not found"}
    assert await json_of(form) == await json_of(multipart) == {"message": "404 Not found"}


async def test_no_link_leads_to_a_deletion_that_would_be_refused(filled: Context, client: Client) -> None:
    await publish(filled, project_id=103)
    await publish(filled)

    listed = await json_of(await client.get("/api/v4/groups/acme/packages", headers=token("maintainer-token")))
    own = await json_of(await client.get("/api/v4/projects/100/packages", headers={"JOB-TOKEN": "open-maintainer-job"}))
    job = {"JOB-TOKEN": "anvil-maintainer-job"}
    foreign = await json_of(await client.get("/api/v4/projects/100/packages", headers=job))

    assert {package["project_id"]: "delete_api_path" in package["_links"] for package in listed} == {
        100: True,
        103: False,
    }
    await query(filled, "INSERT INTO job_token_allowance (project_id, source_project_id) VALUES (100, 102)")
    let_in = await json_of(await client.get("/api/v4/projects/100/packages", headers=job))
    assert ["delete_api_path" in package["_links"] for package in own + foreign + let_in] == [True, False, True]
    assert (await client.delete(f"/api/v4/projects/100/packages/{let_in[0]['id']}", headers=job)).status == 204
