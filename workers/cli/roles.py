"""Least rights: what an operator runs once, and the chart at each install and upgrade."""

import re
from pathlib import Path
from typing import Final

import click

from service import event_loop
from service.errors import StartError
from workers.cli.options import command_settings, management_address

DEFAULT_PREFIX: Final = "packyard"
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")

_passwords = click.option(
    "--passwords",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder with a password in a file for each, called as it is without the prefix, such as `api`.",
)
_keep = click.option(
    "--keep-passwords", "keeps", is_flag=True, help="Leave the password of a role or user that has one as it is."
)
with_prefix = click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="The prefix of the names.")


@click.group()
def roles() -> None:
    """Database roles and broker users with the least rights that do."""


@roles.command()
@with_prefix
@_passwords
@_keep
def database(*, prefix: str, folder: Path | None, keeps: bool) -> None:
    """Give each process its own role in the database.

    A role has no more rights than its process needs.

    Run it with the owner's PACKYARD_DATABASE_URL, after each `packyard migrate`. Roles that are missing are made if the
    owner may; those that are there lose all rights but theirs. In this database, PUBLIC loses temporary tables, large
    objects and the locks of relay and scheduler. Where the owner may not revoke them, as on managed servers, a line
    says so.
    """
    _require_prefix(prefix)
    url = command_settings({"database_url"}).database_url.get_secret_value()
    give_rights(url, prefix=prefix, folder=folder, keeps=keeps)


def give_rights(url: str, *, prefix: str, folder: Path | None, keeps: bool) -> None:
    """Give the roles their rights, and print a line for each.

    Raises:
        StartError: the database cannot be reached, or the owner may not do that, or *folder* has no passwords.
    """
    from service.infra.postgres.roles import grant_rights  # a driver that no other command loads

    rights = grant_rights(url, prefix=prefix, passwords=_read_passwords(folder), keeps_passwords=keeps)
    for role in rights.roles:
        done = "made" if role.is_new else "found"
        password = ", has the password given" if role.has_new_password else ""
        login = ", cannot log in without a password" if role.is_new and not role.has_new_password else ""
        click.echo(f"{role.name}: {done}{password}{login}, has its rights")
    for line in rights.left:
        click.echo(line)


@roles.command()
@with_prefix
@click.option(
    "--subscriber", "subscribers", multiple=True, help="A subscriber, with queues sub.NAME.…; may be repeated."
)
@_passwords
@_keep
def broker(*, prefix: str, subscribers: tuple[str, ...], folder: Path | None, keeps: bool) -> None:
    """Make exchanges, queues, policies and users on the broker.

    Each user has no more rights than it needs.

    Run it with an administrator's PACKYARD_MANAGEMENT_URL. A password `subscriber-NAME` makes that subscriber, too.
    """
    _require_prefix(prefix)
    prepare_broker(management_address(), prefix=prefix, folder=folder, subscribers=subscribers, keeps=keeps)


def prepare_broker(url: str, *, prefix: str, folder: Path | None, subscribers: tuple[str, ...], keeps: bool) -> None:
    """Make what is on the broker, and print a line for each user.

    Raises:
        StartError: the management API at *url* cannot be reached, or refuses, or *folder* has no passwords.
    """
    from service.infra.rabbitmq.users import SUBSCRIBER, set_up_broker

    passwords = _read_passwords(folder)
    named = {who.removeprefix(SUBSCRIBER) for who in passwords if who.startswith(SUBSCRIBER)}
    lines = event_loop.run(
        set_up_broker(
            url,
            prefix=prefix,
            passwords=passwords,
            subscribers=sorted({*subscribers, *named}),
            keeps_passwords=keeps,
        )
    )
    for line in lines:
        click.echo(line)


def _require_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise click.BadParameter(
            "should be a lower-case letter, then letters, digits or underscores, 41 at most", param_hint="--prefix"
        )


def _read_passwords(folder: Path | None) -> dict[str, str]:
    """Return who -> password; a mounted Secret has hidden files beside them."""
    from service.infra.postgres.roles import DatabaseRole
    from service.infra.rabbitmq.users import SUBSCRIBER, USERS

    if folder is None:
        return {}
    known = {*DatabaseRole, *USERS}
    found: dict[str, str] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if path.name not in known and not path.name.startswith(SUBSCRIBER):
                raise StartError(f"{path}: nobody is called so, only {', '.join(sorted(known))} and {SUBSCRIBER}NAME")
            found[path.name] = path.read_text(encoding="utf-8").strip()
            if not found[path.name]:
                raise StartError(f"{path}: should hold a password")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise StartError(f"{folder}: cannot read passwords: {reason.lower()}") from error
    return found
