"""Repeating what the server gave up for another transaction: the net below the order in which locks are taken."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from random import SystemRandom
from typing import Final, Never, ParamSpec, TypeAlias, TypeVar

import structlog

from service.errors import TransactionLostError

TRIES: Final = 3
_CHANCE: Final = SystemRandom()
_LONGEST_PAUSE_S: Final = 0.1

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_UseCase: TypeAlias = Callable[_Arguments, Coroutine[object, Never, _Result]]

log = structlog.get_logger()


def repeated(use_case: _UseCase[_Arguments, _Result]) -> _UseCase[_Arguments, _Result]:
    """Let *use_case* begin again, twice at most, when its transaction was lost.

    All that it does before its commit has to be in that transaction, since all of it is done again.
    """

    @functools.wraps(use_case)
    async def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        for _ in range(TRIES - 1):
            try:
                return await use_case(*args, **kwargs)
            except TransactionLostError as error:
                log.warning("transaction_repeated", of=use_case.__qualname__, reason=str(error))
                # Two transactions that have disturbed each other must not begin again in the same moment.
                await asyncio.sleep(_CHANCE.uniform(0, _LONGEST_PAUSE_S))
        return await use_case(*args, **kwargs)

    return run
