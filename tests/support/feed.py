"""Events that happen: written to the outbox, and numbered into the log."""

from schemas.messages.event import Event
from schemas.messages.events import DeletionEvent, PackageDestroyed
from schemas.messages.examples import example_fact
from service.context import Context
from service.events import outbox
from workers.relay.events import number_once


def fact(project_id: int, kind: type[Event] = PackageDestroyed, **more: object) -> Event:
    """Return an example of an event, about that project if it is about one."""
    about = {"project_id": project_id, **more} if issubclass(kind, DeletionEvent) else more
    return example_fact(kind).model_copy(update=about)


async def happen(context: Context, *facts: Event) -> None:
    """Let these events happen, in this order."""
    async with context.database.transaction() as connection:
        await outbox.append(connection, [outbox.event(each) for each in facts])
    while await number_once(context):
        pass
