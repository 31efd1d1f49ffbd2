"""The closed vocabulary of failures; `service.refusals` has those that answer a request.

A `StartError` stops a process or command with one line that says what is wrong.
"""


class PackyardError(Exception):
    """Every failure that this project names itself."""


class StartError(PackyardError):
    """A process cannot start, or a command cannot be carried out, as its user asked; the text is for that user."""


class MissingSettingError(StartError):
    """A setting without a default is not set."""


class BrokerAwayError(StartError):
    """The broker does not answer at the start; another try may succeed."""


class FinalError(StartError):
    """No other try helps: somebody has to put something right first."""


class UnsuitableDatabaseError(FinalError):
    """The database, or the way to it, is none that can be worked with."""


class DatabaseAwayError(PackyardError):
    """The database cannot be reached, or cannot now do what it was asked; another attempt may succeed."""


class UnstorableTextError(PackyardError):
    """A text has a NUL character, which no text in the database can have."""


class DatabaseReadOnlyError(DatabaseAwayError):
    """The server takes no writes; another one may, or the same one later."""


class TransactionLostError(DatabaseAwayError):
    """The server gave up this transaction for another one; it may be repeated from its beginning."""


class StorageUnavailableError(PackyardError):
    """The object store did not answer, or answered that it cannot now; another attempt may succeed."""


class StorageRefusedError(PackyardError):
    """The object store will not do this, however often it is asked."""


class ObjectStuckError(PackyardError):
    """The object store answers, but does not remove this object; another attempt may succeed."""


class ObjectMissingError(PackyardError):
    """There is no object under that key."""


def first_line(error: BaseException) -> str:
    """Return what an error says, without details and hints on further lines; its kind, if it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__
