"""The demo's tokens: well-known ones on this machine, others where somebody else can reach the API."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.directory_file.applying import WrittenDirectory, known_tokens, parse_directory
from service.infra.postgres.database import Database
from workers.stack.state import StackState

_DIRECTORY: Final = Path(__file__).with_name("demo.yaml")
_WORDS: Final = "demo-"


class DemoTokens:
    """Which token each user of the demo has in this run."""

    def __init__(self, state: StackState, *, is_exposed: bool) -> None:
        """Draw tokens by chance when the API *is_exposed*; they are kept in *state* for the next run."""
        self._text = _DIRECTORY.read_text(encoding="utf-8")
        self._state = state
        self._is_exposed = is_exposed
        self._owners = _owners(parse_directory(self._text.encode(), name=_DIRECTORY.name))

    def __getitem__(self, well_known: str) -> str:
        """Return what takes the place of a well-known token in this run."""
        return self._drawn(well_known) if self._is_exposed else well_known

    def directory(self) -> WrittenDirectory:
        """Return the demo's directory with the tokens of this run."""
        text = self._text
        for token in self._owners:
            text = text.replace(token, self[token])
        return parse_directory(text.encode(), name=_DIRECTORY.name)

    @property
    def exchanged(self) -> Mapping[str, str]:
        """Tokens of an earlier run, which may have been another kind -> those of this one."""
        if self._is_exposed:
            return {token: self[token] for token in self._owners}
        return {self._drawn(token): token for token in self._owners if self._state.has_secret(token)}

    async def drawn(self, database: Database) -> list[tuple[str, str]]:
        """Return who has which token that was drawn by chance, of those that are good."""
        if not self._is_exposed:
            return []
        tokens = [(owner, self[token]) for token, owner in self._owners.items()]
        known = await known_tokens(database, [token for _, token in tokens])
        return [(owner, token) for owner, token in tokens if token in known]

    def _drawn(self, well_known: str) -> str:
        return _WORDS + self._state.secret(well_known)


def _owners(written: WrittenDirectory) -> Mapping[str, str]:
    owned = [(user.username, token.token) for user in written.file.users for token in user.tokens]
    owned += [
        (token.username, token.token) for project in written.file.projects for token in project.deploy_tokens or ()
    ]
    return {token.get_secret_value(): owner for owner, token in owned}
