"""The events that the database makes of deletions, beside those that the contract's classes would make."""

from datetime import UTC, datetime
from typing import Final

import pytest
from pydantic_core import from_json

from schemas.messages.cloud_events import enveloped
from schemas.messages.events import EVENTS, DeletionEvent
from schemas.messages.examples import example_fact
from service.context import Context
from service.deletions.events import DeletionNews, announce
from service.ids import new_id
from tests.support.catalogue import delete, publish, query

_KINDS: Final = [kind for kind in EVENTS if issubclass(kind, DeletionEvent)]
_CHANGE: Final = """
UPDATE deletion SET project_id = $2, root_group_id = $3, package_id = $4, package_type = $5, package_name = $6,
       package_version = $7, package_file_id = $8, file_name = $9, cause = $10, reason = $11, requested_by = $12
 WHERE id = $1
"""


@pytest.mark.parametrize("actor", [3, None], ids=["user", "system"])
async def test_the_database_writes_the_event_that_the_contract_has(filled: Context, actor: int | None) -> None:
    deletion = await delete(filled, await publish(filled))
    for kind in _KINDS:
        fact = example_fact(kind).model_copy(update={"deletion_id": deletion.id, "actor_id": actor})
        assert isinstance(fact, DeletionEvent)
        place = (fact.project_id, fact.root_group_id, fact.package_id, fact.package_type, fact.package_name)
        others = (fact.package_version, fact.package_file_id, fact.file_name, fact.cause, fact.reason, actor)
        await query(filled, _CHANGE, deletion.id, *place, *others)
        own = fact.model_dump_json(include=set(kind.model_fields) - set(DeletionEvent.model_fields))
        news = DeletionNews(new_id(), deletion.id, kind.topic(), fact.files, fact.bytes, own)

        async with filled.database.transaction() as connection:
            await announce(connection, [news])

        (row,) = await query(filled, "SELECT routing_key, body FROM outbox WHERE id = $1", news.id)
        moment = datetime.fromisoformat(row["body"]["time"])
        cause = deletion.request_event_id
        expected = enveloped(fact, event_id=news.id, causation_id=cause, now=moment).model_dump_json()
        assert row["body"] == from_json(expected)
        assert row["routing_key"] == fact.routing_key()
        assert (datetime.now(UTC) - moment).total_seconds() < 60
