"""Uses of python-gitlab, one topic a run; the results are printed as JSON.

`python drive_python_gitlab.py URL TOKEN FOLDER TOPIC`, in an environment that has python-gitlab.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gitlab  # type: ignore[import-not-found]  # it is in the clients' own environment

_BIG: Final = bytes(range(256)) * 4_096


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the client goes, as whom, and where it may leave files."""

    url: str
    token: str
    folder: Path

    def client(self, token: str = "", **options: Any) -> Any:
        """Return a client, that of another token when one is given."""
        return gitlab.Gitlab(self.url, private_token=token or self.token, **options)


def identity(visit: Visit) -> object:
    """Log in, in each way that the client has for a personal token."""
    client = visit.client()
    client.auth()
    bearer = gitlab.Gitlab(visit.url, oauth_token=visit.token)
    bearer.auth()
    version, revision = client.version()
    return {
        "user": [client.user.id, client.user.username, client.user.name, client.user.state],
        "with a bearer token": bearer.user.username,
        "version": version,
        "revision": revision,
        "wrong token": _error(visit.client("not-a-token").auth),
    }


def places(visit: Visit) -> object:
    """Find projects and groups."""
    client = visit.client()
    project = client.projects.get("orchard/press/juice")
    group = client.groups.get("orchard/press")
    return {
        "project": [project.id, project.path_with_namespace, project.visibility],
        "project by id": client.projects.get(project.id).path_with_namespace,
        "projects": sorted(one.path_with_namespace for one in client.projects.list(iterator=True)),
        "group": [group.id, group.full_path],
        "group by id": client.groups.get(group.id).full_path,
        "no project": _error(lambda: client.projects.get("orchard/nothing")),
        "no group": _error(lambda: client.groups.get("nothing")),
    }


def pages(visit: Visit) -> object:
    """Page through many packages, in each way that the client has."""
    client = visit.client()
    project = client.projects.get("cellar/cider")
    group = client.groups.get("cellar")
    hundreds = project.packages.list(iterator=True, per_page=100)
    keyset = {"pagination": "keyset", "order_by": "created_at", "per_page": 100}
    return {
        "all at once": _names(project.packages.list(get_all=True)),
        "one by one": _names(project.packages.list(iterator=True)),
        "a hundred a page": [hundreds.total, hundreds.total_pages, hundreds.per_page, len(_names(hundreds))],
        "the last page": _names(project.packages.list(page=3, per_page=100, get_all=False)),
        "downwards": _names(project.packages.list(iterator=True, order_by="name", sort="desc")),
        "with keyset asked for": _names(project.packages.list(iterator=True, **keyset)),
        "of the group, all at once": _names(group.packages.list(get_all=True)),
        "of the group, one by one": _names(group.packages.list(iterator=True, per_page=30)),
    }


def filters(visit: Visit) -> object:
    """Narrow a listing down."""
    project = visit.client().projects.get(101)
    group = visit.client().groups.get("orchard")

    def found(**wanted: Any) -> list[str]:
        return sorted(f"{one.name} {one.version}" for one in project.packages.list(get_all=True, **wanted))

    return {
        "none": found(),
        "type": found(package_type="npm"),
        "name": found(package_name="Press"),
        "version": found(package_name="press", package_version="2.0"),
        "hidden": found(status="hidden"),
        "error": found(status="error"),
        "nothing": found(package_name="not there"),
        "of the group": sorted(
            f"{one.project_path} {one.name}" for one in group.packages.list(get_all=True, package_type="npm")
        ),
        "wrong": _error(lambda: found(status="bogus")),
    }


def reading(visit: Visit) -> object:
    """Read one package, its files and its pipelines."""
    project = visit.client().projects.get("orchard/press/juice")
    (listed,) = project.packages.list(package_name="press", package_version="2.0", get_all=True)
    package = project.packages.get(listed.id)
    return {
        "package": [package.name, package.version, package.package_type, package.status],
        "other versions": [version["version"] for version in package.versions],
        "files": [[file.file_name, file.size, file.file_sha256] for file in package.package_files.list(get_all=True)],
        "files, one by one": [file.file_name for file in listed.package_files.list(iterator=True)],
        "pipelines": [[one.id, one.ref, one.user["username"]] for one in package.pipelines.list(get_all=True)],
        "pipelines, one by one": [one.id for one in package.pipelines.list(iterator=True)],
        "no package": _error(lambda: project.packages.get(999_999_999)),
    }


def uploading(visit: Visit) -> object:
    """Upload in each way that the client has, and download again."""
    project = visit.client().projects.get("orchard/apples")
    target = {"package_name": "by-python-gitlab", "package_version": "1.0.0"}
    path = visit.folder / "sent.bin"
    path.write_bytes(_BIG)
    sent = project.generic_packages.upload(**target, file_name="of-a-path.bin", path=path)
    with path.open("rb") as opened:
        project.generic_packages.upload(**target, file_name="of-a-file.bin", data=opened)
    record = project.generic_packages.upload(**target, file_name="of-bytes.bin", data=b"few", select="package_file")

    digest = hashlib.sha256()
    project.generic_packages.download(**target, file_name="of-a-path.bin", streamed=True, action=digest.update)
    iterated = b"".join(project.generic_packages.download(**target, file_name="of-a-file.bin", iterator=True))
    (package,) = project.packages.list(package_name=target["package_name"], get_all=True)
    return {
        "answer": sent.message,
        "record": [record.size, record.file_sha256, record.file["url"].startswith(visit.url)],
        "sent": hashlib.sha256(_BIG).hexdigest(),
        "streamed": digest.hexdigest(),
        "iterated": hashlib.sha256(iterated).hexdigest(),
        "at once": project.generic_packages.download(**target, file_name="of-bytes.bin").decode(),
        "files": {file.file_name: file.file_sha256 for file in package.package_files.list(get_all=True)},
        "no file": _error(lambda: project.generic_packages.download(**target, file_name="not-there")),
        "wrong name": _error(lambda: project.generic_packages.upload("a b", "1.0", "file", data=b"x")),
    }


def deleting(visit: Visit) -> object:
    """Delete files and packages; each is gone immediately."""
    project = visit.client().projects.get("orchard/apples")
    for version in ("1.0", "2.0"):
        for file_name in ("first.txt", "second.txt", "third.txt"):
            project.generic_packages.upload("doomed-by-python-gitlab", version, file_name, data=file_name.encode())

    def versions() -> dict[str, Any]:
        found = project.packages.list(package_name="doomed-by-python-gitlab", get_all=True)
        return {package.version: package for package in found}

    one, two = versions()["1.0"], versions()["2.0"]
    first, second, third = one.package_files.list(get_all=True)
    first.delete()
    one.package_files.delete(second.id)
    left = [file.file_name for file in one.package_files.list(get_all=True)]
    again = _error(lambda: one.package_files.delete(first.id))
    one.delete()
    project.packages.delete(two.id)
    stranger = visit.client("demo-developer-token").projects.get("orchard/apples")
    stranger.generic_packages.upload("kept-by-python-gitlab", "1.0", "file.txt", data=b"kept")
    (kept,) = stranger.packages.list(package_name="kept-by-python-gitlab", get_all=True)
    return {
        "files left": left,
        "file again": again,
        "listed": list(versions()),
        "shown": _error(lambda: project.packages.get(one.id)),
        "files": _error(lambda: one.package_files.list(get_all=True)),
        "downloaded": _error(
            lambda: project.generic_packages.download("doomed-by-python-gitlab", "1.0", third.file_name)
        ),
        "package again": _error(lambda: project.packages.delete(two.id)),
        "without the right": _error(kept.delete),
        "kept": stranger.packages.get(kept.id).name,
    }


def _names(packages: Iterable[Any]) -> list[str]:
    return [package.name for package in packages]


def _error(call: Callable[[], object]) -> list[object]:
    try:
        call()
    except gitlab.exceptions.GitlabError as error:
        return [type(error).__name__, error.response_code, error.error_message]
    return []


def main() -> None:
    """Do one topic."""
    url, token, folder, topic = sys.argv[1:]
    found = _TOPICS[topic](Visit(url, token, Path(folder)))
    sys.stdout.write(json.dumps(found))


_TOPICS: Final[dict[str, Callable[[Visit], object]]] = {
    topic.__name__: topic for topic in (identity, places, pages, filters, reading, uploading, deleting)
}

if __name__ == "__main__":
    main()
