"""One client of a soak: it publishes, downloads and deletes, and notes every answer that is not what it has to be."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

_PROJECT: Final = "/api/v4/projects/100/packages"
_FILES: Final = ("app.bin", "app.bin.sig")
CONTENTS: Final = (b"", b"a", b"bytes of everybody", bytes(range(256)) * 40, b"\x00\xff" * 50_000)
"""All that is ever published, hence the same bytes under many names."""


class Client:
    """Has a name of its own, of which it knows at any time what is published; and meets others at names of all."""

    def __init__(self, session: aiohttp.ClientSession, number: int, seed: int) -> None:
        """Begin with nothing published."""
        self._session = session
        self._random = random.Random(f"{seed} {number}")  # noqa: S311 - only an order of events
        self._own = f"own-{number}"
        self._known: dict[str, bytes] = {}
        """File of the own package -> its bytes."""
        self._package_id = 0
        self.done: Counter[str] = Counter()
        """The act -> how often."""
        self.failures: list[str] = []

    async def turn(self) -> None:
        """Do one thing."""
        acts = (self._republish, self._republish, self._delete_own_file, self._meet, self._meet, self._meet)
        try:
            await self._random.choice(acts)()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(repr(error))

    async def look(self) -> None:
        """See that the own package is just what is known of it."""
        for file in _FILES:
            path = f"{_PROJECT}/generic/{self._own}/1.0/{file}"
            status, body = await self._ask("GET", path, 200 if file in self._known else 404)
            if status == 200 and body != self._known.get(file):
                self.failures.append(f"GET {path}: other bytes")
        self.done["looks"] += 1

    async def _republish(self) -> None:
        """Delete the own package, if there is one, and publish the same name and version immediately."""
        if self._known:
            await self._ask("DELETE", f"{_PROJECT}/{self._package_id}", 204)
            self.done["deletions"] += 1
            self._known.clear()
        for file in _FILES[: self._random.randint(1, len(_FILES))]:
            self._package_id = (await self._publish(self._own, file) or {}).get("package_id", 0)
        await self.look()

    async def _delete_own_file(self) -> None:
        if not self._known:
            return
        file = self._random.choice(sorted(self._known))
        _, listed = await self._ask("GET", f"{_PROJECT}/{self._package_id}/package_files", 200)
        ids = [found["id"] for found in _elements(listed) if found["file_name"] == file]
        await self._ask("DELETE", f"{_PROJECT}/{self._package_id}/package_files/{ids[0] if ids else 0}", 204)
        self.done["deletions of files"] += 1
        del self._known[file]
        await self.look()

    async def _meet(self) -> None:
        """Publish, download or delete where others do."""
        name = f"shared-{self._random.randrange(3)}"
        match self._random.randrange(4):
            case 0 | 1:
                await self._publish(name, _FILES[0])
            case 2:
                status, body = await self._ask("GET", f"{_PROJECT}/generic/{name}/1.0/{_FILES[0]}", 200, 404)
                if status == 200 and body not in CONTENTS:
                    self.failures.append(f"GET {name}: bytes that nobody published")
                self.done["downloads"] += 1
            case _:
                await self._delete_shared(name)

    async def _delete_shared(self, name: str) -> None:
        _, listed = await self._ask("GET", f"{_PROJECT}?package_name={name}", 200)
        for package in _elements(listed):
            # Somebody else may have been faster.
            status, _ = await self._ask("DELETE", f"{_PROJECT}/{package['id']}", 204, 404)
            self.done["deletions"] += status == 204

    async def _publish(self, name: str, file: str) -> Mapping[str, Any] | None:
        content = self._random.choice(CONTENTS)
        path = f"{_PROJECT}/generic/{name}/1.0/{file}?select=package_file"
        status, body = await self._ask("PUT", path, 200, data=content)
        if status != 200 or not isinstance(body, dict):
            return None
        if body["size"] != len(content):
            self.failures.append(f"PUT {path}: {body['size']} bytes instead of {len(content)}")
        self.done["publications"] += 1
        if name == self._own:
            self._known[file] = content
        return body

    async def _ask(self, method: str, path: str, *expected: int, data: bytes | None = None) -> tuple[int, Any]:
        async with self._session.request(method, path, data=data) as answer:
            is_json = answer.content_type == "application/json"
            body = await answer.json() if is_json else await answer.read()
            if answer.status not in expected:
                self.failures.append(f"{method} {path}: {answer.status} {body!r:.200}")
            return answer.status, body


def _elements(listed: object) -> Sequence[Mapping[str, Any]]:
    return listed if isinstance(listed, list) else []
