"""A question to the broker leaves nothing behind on a connection that lasts for months."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import pytest

from service.infra.rabbitmq.broker import Broker, open_broker
from workers.queue_watch import QueueWatch

_Question: TypeAlias = Callable[[Broker], Awaitable[object]]

_WARM_UP: Final = 5
_TIMES: Final = 50
_SLACK: Final = 5
"""The event loop and its libraries have some hundred objects more or less. A channel that is left has 22."""
_QUESTIONS: Final[Mapping[str, _Question]] = MappingProxyType(
    {
        "the depth of every queue": lambda broker: QueueWatch(broker).refresh(),
        "the depth of a queue that is missing": lambda broker: broker.queue_depth("missing"),
        "whether it answers": lambda broker: broker.require_answer(),
    }
)


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


@pytest.mark.parametrize("question", _QUESTIONS.values(), ids=_QUESTIONS)
async def test_a_question_leaves_no_objects_behind(broker_url: str, question: _Question) -> None:
    async with open_broker(broker_url, name="test") as broker:
        for _ in range(_WARM_UP):
            await question(broker)
        before = await _objects()
        for _ in range(_TIMES):
            await question(broker)
        assert await _objects() - before < _TIMES * _SLACK


async def _objects() -> int:
    """Return how many objects there are, once the last channel has been cleared away."""
    await asyncio.sleep(0.1)
    gc.collect()
    return len(gc.get_objects())
