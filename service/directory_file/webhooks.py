"""Webhooks of a directory file: matched by name, kept with their id and their place in the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.files.directory import DirectoryFile, GroupEntry, ProjectEntry
from schemas.problems import Problem
from schemas.webhooks import WebhookEntry, WebhookSettings
from service.directory_file.changes import Change
from service.directory_file.rows import Counts
from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.resolving import UrlNotAllowedError, check_url
from service.infra.postgres.database import Connection
from service.webhooks import managing, rows, secret_rows
from service.webhooks.rows import Webhook, WebhookPlace
from service.webhooks.secrets import SecretBox, UnreadableSecretError

_KINDS: Final = ("groups", "projects")


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """The keys that encrypt secrets, and where webhooks may go."""

    box: SecretBox = field(default_factory=lambda: SecretBox(()))
    allowed: AllowedAddresses = field(default_factory=AllowedAddresses)


@dataclass(slots=True)
class StoredWebhooks:
    """The changes to webhooks, as lines of a diff, and how many there were."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0

    def note(self, sign: str, sentence: str) -> None:
        """Add a change; one that removes is shown to a person first."""
        self.changes.append(Change(sign, sentence, is_asked=sign == "-", order=len(self.changes)))

    @property
    def counts(self) -> Counts:
        """How many were created, updated, unchanged and removed."""
        signs = [change.sign for change in self.changes]
        return Counts(signs.count("+"), signs.count("~"), self.unchanged, signs.count("-"))


async def objections_to_urls(file: DirectoryFile, rules: WebhookRules) -> list[Problem]:
    """Return which URLs may not be posted to, and that there is no key where a webhook is written."""
    found: list[Problem] = []
    for kind in _KINDS:
        for i, entry in enumerate(getattr(file, kind)):
            for j, hook in enumerate(entry.webhooks or ()):
                try:
                    await check_url(hook.url, rules.allowed)
                except UrlNotAllowedError as error:
                    found.append(Problem((kind, i, "webhooks", j, "url"), str(error)))
                if not rules.box.has_keys:
                    found.append(Problem((kind, i, "webhooks", j), "needs PACKYARD_SECRET_KEYS"))
    return found


async def store_webhooks(
    connection: Connection,
    groups: Sequence[tuple[int, GroupEntry]],
    projects: Sequence[tuple[int, ProjectEntry]],
    rules: WebhookRules,
) -> StoredWebhooks:
    """Make the webhooks of each place whose entry names some be these."""
    stored = StoredWebhooks()
    places: list[tuple[str, WebhookPlace, GroupEntry | ProjectEntry]] = [
        *((f"group {entry.path}", WebhookPlace(group_id=number), entry) for number, entry in groups),
        *((f"project {entry.path}", WebhookPlace(project_id=number), entry) for number, entry in projects),
    ]
    for label, place, entry in places:
        if entry.webhooks is not None:
            await _store_place(connection, stored, rules.box, label, place, entry.webhooks)
    return stored


async def _store_place(
    connection: Connection,
    stored: StoredWebhooks,
    box: SecretBox,
    label: str,
    place: WebhookPlace,
    entries: Sequence[WebhookEntry],
) -> None:
    found = await rows.list_webhooks(connection, place, limit=managing.MOST, offset=0)
    named = {webhook.name.lower(): webhook for webhook in found if webhook.name is not None}
    wanted = {entry.name.lower() for entry in entries}
    for webhook in found:
        if webhook.name is None or webhook.name.lower() not in wanted:
            await rows.delete_webhook(connection, webhook.id)
            stored.note("-", f"webhook {webhook.name or webhook.url} of {label}")
    for entry in entries:
        known = named.get(entry.name.lower())
        given = _settings(entry)
        if known is None:
            await managing.add(connection, place, given, box)
            stored.note("+", f"webhook {entry.name} of {label} ({entry.url})")
        elif await _is_as_written(connection, known, given, box):
            stored.unchanged += 1
        else:
            await managing.change(connection, known, given, box)
            stored.note("~", f"webhook {entry.name} of {label} ({entry.url})")


def _settings(entry: WebhookEntry) -> WebhookSettings:
    """Return the entry with all of its keys set, also those that it leaves out."""
    return WebhookSettings.model_construct(
        _fields_set=set(WebhookEntry.model_fields), **{name: getattr(entry, name) for name in WebhookEntry.model_fields}
    )


async def _is_as_written(connection: Connection, known: Webhook, given: WebhookSettings, box: SecretBox) -> bool:
    columns = managing.columns_of(given)
    is_same = all(_plain(getattr(known, name)) == value for name, value in columns.items())
    if not is_same:
        return False
    try:
        secrets = await secret_rows.read_secrets(connection, known.id, box)
    except UnreadableSecretError:
        return False
    token = None if given.token is None else given.token.get_secret_value() or None
    headers = {header.key: header.value.get_secret_value() for header in given.custom_headers or ()}
    signing = "" if given.signing_token is None else given.signing_token.get_secret_value()
    return (secrets.signing_tokens[:1], secrets.token, secrets.custom_headers) == ((signing,), token, headers)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
