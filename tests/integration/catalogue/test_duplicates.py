"""Which files count as duplicates, and which group's exception holds."""

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import GENERIC, token


async def test_a_package_published_again_after_a_failed_deletion_is_no_duplicate(
    filled: Context, client: Client
) -> None:
    package_id = await publish(filled)
    await client.delete(f"/api/v4/projects/100/packages/{package_id}", headers=token("maintainer-token"))
    await query(filled, "UPDATE deletion SET state = 'failed', finished_at = now()")
    await query(filled, "UPDATE package SET status = 'error'")
    await query(filled, "UPDATE package_file SET status = 'error'")
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = false")

    statuses = [(await client.put(GENERIC, data=b"x", headers=token("developer-token"))).status for _ in range(2)]

    assert statuses == [201, 400]


async def test_the_exception_of_an_outer_group_holds_where_an_inner_one_says_none(
    filled: Context, client: Client
) -> None:
    path = "/api/v4/projects/102/packages/generic/app/1.0/app.bin"
    await query(filled, "UPDATE directory_group SET generic_duplicate_exception_regex = 'a[p]+' WHERE path = 'acme'")
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = false WHERE path = 'acme/labs'")

    statuses = [(await client.put(path, data=b"x", headers=token("developer-token"))).status for _ in range(2)]

    assert statuses == [201, 201]
