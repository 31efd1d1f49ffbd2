"""A client of the API that writes into the ledger which answers it got, and which not."""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp

from tests.system.faults.ledger import Ledger, Package, Sending

_PATIENCE: Final = aiohttp.ClientTimeout(total=15)
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_GROUP: Final = "/api/v4/groups/10"
"""The one that holds all projects of the load."""

_TRIES: Final = 5
_PAUSE_S: Final = 0.5
_LOST: Final = 0
"""In place of a status: no answer came."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def is_in_doubt(self) -> bool:
        """Whether it leaves open what happened."""
        return self.status == _LOST or self.status >= 500 or self.status == 408


class Client:
    """Asks one thing at a time; None is what it returns when nobody knows."""

    def __init__(self, session: aiohttp.ClientSession, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    async def put(
        self, project_id: int, name: str, version: str, contents: Mapping[str, bytes], *, after: Package | None = None
    ) -> Package | None:
        """Publish a package with these files; None unless every one of them was confirmed.

        After a DELETE of *after* was accepted, it has to become another package.
        """
        package: Package | None = None
        for file_name, content in contents.items():
            sha256 = hashlib.sha256(content).hexdigest()
            path = f"/api/v4/projects/{project_id}/packages/generic/{name}/{version}/{file_name}?select=package_file"
            answer = await self._ask("PUT", path, data=content)
            if answer.status != 200:
                self._doubt_or_wonder("PUT", answer, {409})
                if answer.is_in_doubt:
                    self._ledger.uploads_in_doubt.add(Sending(project_id, name, version, file_name, sha256))
                return None
            self._ledger.uploaded_at.append(time.time())
            file = answer.body
            package = package or Package(file["package_id"], project_id, name, version)
            self._ledger.published(package)
            package.files[file["id"]] = sha256
            if after is not None and after.id == file["package_id"]:
                self._ledger.surprises.append(f"package {after.id} was published again into its own deletion")
        return package

    async def delete(self, package: Package, file_id: int | None = None) -> UUID | None:
        """Delete the package or one file of it; None unless that was accepted."""
        path = f"/api/v4/projects/{package.project_id}/packages/{package.id}"
        path += f"/package_files/{file_id}" if file_id else ""
        answer = await self._ask("DELETE", path)
        if answer.status not in {202, 204}:
            self._doubt_or_wonder("DELETE", answer, {404} if self._was_in_doubt(package) else set())
            if answer.is_in_doubt:
                self._ledger.deletes_in_doubt.add((package.id, file_id))
            return None
        deletion_id = UUID(answer.headers["Deletion-Id"])
        self._ledger.was_accepted(deletion_id, package.id, file_id)
        return deletion_id

    async def delete_many(self, packages: Sequence[Package]) -> dict[UUID, Package]:
        """Delete these in one call, which is sent again until it is answered; return each deletion with its package."""
        by_id = {package.id: package for package in packages}
        answer = await self._ask_until_answered(f"{_GROUP}/packages/bulk_delete", {"ids": list(by_id)})
        if answer.status != 202:
            self._doubt_or_wonder("bulk_delete", answer, set())
            if answer.is_in_doubt:
                self._ledger.deletes_in_doubt |= {(package.id, None) for package in packages}
            return {}
        accepted = {UUID(item["deletion_id"]): by_id[item["id"]] for item in answer.body["accepted"]}
        for deletion_id, package in accepted.items():
            self._ledger.was_accepted(deletion_id, package.id, None)
        if accepted:
            self._ledger.batches[UUID(answer.body["batch_id"])] = frozenset(accepted)
        for refused in answer.body["refused"]:
            if not self._was_in_doubt(by_id[refused["id"]]):
                self._ledger.surprises.append(f"bulk_delete refused {refused}")
        return accepted

    async def restore_many(self, deletions: Mapping[UUID, Package]) -> list[Package]:
        """Undo what one call asked for; return the packages that are back."""
        (batch_id,) = (id_ for id_, held in self._ledger.batches.items() if held == deletions.keys())
        answer = await self._ask_until_answered(f"{_GROUP}/deletions/bulk_restore", {"batch_id": str(batch_id)})
        if answer.status != 200:
            self._doubt_or_wonder("bulk_restore", answer, set())
            if answer.is_in_doubt:
                self._ledger.restores_in_doubt |= deletions.keys()
            return []
        restored = [UUID(item["id"]) for item in answer.body["restored"]]
        self._ledger.restored.update(restored)
        return [deletions[id_] for id_ in restored]

    async def restore(self, package: Package, deletion_id: UUID) -> bool | None:
        """Undo the deletion; return whether that was in time."""
        answer = await self._ask("POST", f"/api/v4/projects/{package.project_id}/deletions/{deletion_id}/restore")
        if answer.status == 200:
            self._ledger.restored.add(deletion_id)
            return True
        self._doubt_or_wonder("restore", answer, {409})
        if answer.is_in_doubt:
            self._ledger.restores_in_doubt.add(deletion_id)
            return None
        return False

    async def failed(self, project_id: int) -> list[dict[str, Any]]:
        """Return some failed deletions of packages that are still shown in `error`."""
        answer = await self._ask("GET", f"/api/v4/projects/{project_id}/deletions?state=failed&per_page=20")
        return answer.body if answer.status == 200 else []

    async def retry(self, project_id: int, deletion_id: UUID) -> None:
        """Try a failed deletion again."""
        answer = await self._ask("POST", f"/api/v4/projects/{project_id}/deletions/{deletion_id}/retry")
        if answer.status == 200:
            self._ledger.retried.add(deletion_id)
        else:
            self._doubt_or_wonder("retry", answer, {409})

    def _was_in_doubt(self, package: Package) -> bool:
        return any(package_id == package.id for package_id, _ in self._ledger.deletes_in_doubt)

    def _doubt_or_wonder(self, what: str, answer: _Answer, expected: set[int]) -> None:
        if not answer.is_in_doubt and answer.status not in expected:
            self._ledger.surprises.append(f"{what} was answered with {answer.status}: {answer.body}")

    async def _ask_until_answered(self, path: str, body: Mapping[str, Any]) -> _Answer:
        """Send the same under the same key again as long as nobody knows what became of it, within reason."""
        key = {"Idempotency-Key": str(uuid4())}
        answer = _Answer(_LOST, {}, None)
        for _ in range(_TRIES):
            answer = await self._ask("POST", path, data=json.dumps(body).encode(), headers=key)
            # 409: the first one is still under way.
            if not answer.is_in_doubt and answer.status != 409:
                break
            await asyncio.sleep(_PAUSE_S)
        return answer

    async def _ask(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> _Answer:
        sent = {**_HEADERS, **(headers or {})}
        try:
            async with self._session.request(method, path, data=data, headers=sent, timeout=_PATIENCE) as answer:
                text = await answer.text()
                self._ledger.answers[f"{method} {answer.status}"] += 1
                body = json.loads(text) if text and answer.content_type == "application/json" else text
                return _Answer(answer.status, answer.headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._ledger.answers[f"{method} lost"] += 1
            return _Answer(_LOST, {}, None)
