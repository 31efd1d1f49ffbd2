"""The relay step by step, as tests drive it."""

from dataclasses import dataclass

from schemas.messages.outgoing import Kind
from service.context import Context
from service.infra.rabbitmq.publishing import CommandPublisher, EventPublisher
from workers.relay.commands import publish_commands
from workers.relay.events import number_once, publish_events


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishers of both kinds of messages."""

    commands: CommandPublisher
    events: EventPublisher


async def relay_once(context: Context, publisher: Publisher, kind: Kind) -> int:
    """Publish one batch of messages of that kind and return how many it had; events are numbered before."""
    if kind is Kind.COMMAND:
        return await publish_commands(context, publisher.commands)
    await number_once(context)
    return await publish_events(context, publisher.events)
