"""Whether a process is ready, and what it says about its servers."""

import pytest

from service.observing.servers import OF_EVERY_PROCESS, Condition, ObservedServer, Servers


def test_a_process_is_not_ready_before_it_has_reached_every_server_that_it_needs() -> None:
    servers = Servers(OF_EVERY_PROCESS | {ObservedServer.BROKER})
    servers.note(ObservedServer.DATABASE, Condition.OK)
    servers.note(ObservedServer.STORE, Condition.OK)
    servers.note(ObservedServer.BROKER, Condition.AWAY)

    assert servers.missing == {ObservedServer.BROKER}
    assert servers.conditions() == {"database": "ok", "store": "ok", "broker": "does not answer"}


@pytest.mark.parametrize("trouble", [each for each in Condition if each is not Condition.OK])
def test_an_outage_changes_nothing_once_a_server_was_reached(trouble: Condition) -> None:
    servers = Servers({ObservedServer.DATABASE})
    servers.note(ObservedServer.DATABASE, Condition.OK)
    servers.note(ObservedServer.DATABASE, trouble)

    assert servers.missing == set()
    assert servers.conditions() == {"database": trouble.value}


@pytest.mark.parametrize(("failure", "seen"), [(OSError(), Condition.AWAY), (ValueError(), Condition.OK)])
def test_only_a_failure_of_the_server_itself_counts_as_its_outage(failure: Exception, seen: Condition) -> None:
    servers = Servers({ObservedServer.BROKER})

    def use() -> None:
        with servers.in_use(ObservedServer.BROKER, OSError) as note:
            note()
            raise failure

    with pytest.raises((ExceptionGroup, ValueError)):
        use()
    assert servers.condition(ObservedServer.BROKER) is seen
