"""The needs of a second installation: a database, a virtual host and a namespace, made by administrators."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from tests.cluster import yard
from tests.cluster.control import get
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import BESIDE, BESIDE_ADDRESS, SERVER_PORTS, Plan
from tests.cluster.servers import Addresses
from tests.cluster.yard import HOME, Place
from tests.support.seaweed import BUCKET
from workers.stack.state import LOOPBACK

_STATEMENTS: Final = "DROP DATABASE IF EXISTS {name} WITH (FORCE);\nCREATE DATABASE {name};\n"


def prepare_place(plan: Plan, place: Place) -> None:
    """Make a new database, a virtual host, and the namespace with its Secrets; no object of an earlier run stays."""
    objects = f"{Addresses.read(plan.folder / 'servers').filer}/buckets/{BUCKET}/{place.prefix}?recursive=true"
    _run("curl", "--silent", "--show-error", "--request", "DELETE", objects)
    run_statements(plan, _STATEMENTS.format(name=place.database))
    call_management(plan, "PUT", f"/api/vhosts/{place.vhost}")
    yard.prepare_namespace(plan, place)


def run_statements(plan: Plan, statements: str) -> None:
    """Run statements as the administrator of PostgreSQL."""
    ask_database(plan, statements)


def ask_database(plan: Plan, query: str, place: Place = HOME) -> list[str]:
    """Run a query as the administrator of PostgreSQL; return its rows, with `|` between values."""
    address = Addresses.read(plan.folder / "servers").database.replace(BESIDE_ADDRESS, LOOPBACK)
    database = urlsplit(address)._replace(path=f"/{place.database}").geturl()
    options = ("--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align")
    return _run("psql", *options, database, text=query).split()


def call_management(plan: Plan, method: str, path: str, content: Mapping[str, object] | None = None) -> None:
    """Call RabbitMQ's management API as its administrator."""
    management = Addresses.read(plan.folder / "servers").management.replace(BESIDE_ADDRESS, LOOPBACK)
    options = ("--silent", "--fail", "--show-error", "--request", method, "--header", "Content-Type: application/json")
    _run("curl", *options, "--data", "@-", f"{management}{path}", text=json.dumps(content or {}))


@contextmanager
def management_away(plan: Plan) -> Iterator[None]:
    """Refuse KEDA's connections to RabbitMQ's management API while the block runs."""
    port = str(SERVER_PORTS["rabbitmq_management"])
    found = get(plan, "-n", "keda", "pods", "--field-selector=status.phase=Running")["items"]
    pods = ",".join(pod["status"]["podIP"] for pod in found)
    rule = ("INPUT", "-s", pods, "-p", "tcp", "--dport", port, "-j", "REJECT", "--reject-with", "tcp-reset")
    _run("iptables", "-I", *rule)
    try:
        yield
    finally:
        _run("iptables", "-D", *rule)


def call_api(plan: Plan, method: str, path: str, content: str = "", place: Place = HOME) -> str:
    """Call the API of an installation as a maintainer; return the answer's body."""
    options = ("--silent", "--fail", "--show-error", "--request", method, "--header", "PRIVATE-TOKEN: maintainer-token")
    body = ("--retry", "5", "--retry-connrefused", *(("--data-binary", "@-") if content else ()))
    return _run("curl", *options, *body, f"{yard.address(plan, place)}/api/v4{path}", text=content)


def unreadable_files(plan: Plan) -> list[str]:
    """Return the files of the load that are listed, and whose bytes are not all there."""
    listed = call_api(
        plan, "GET", "/projects/100/packages?package_name=load&per_page=100&order_by=created_at&sort=desc"
    )
    found = []
    for package in json.loads(listed):
        for file in json.loads(call_api(plan, "GET", f"/projects/100/packages/{package['id']}/package_files")):
            path = f"/projects/100/packages/generic/{package['name']}/{package['version']}/{file['file_name']}"
            size = _downloaded_bytes(plan, path)
            found += [f"{path}: {size} of {file['size']} bytes"] * (size != file["size"])
    return found


def _downloaded_bytes(plan: Plan, path: str) -> int:
    options = ("--silent", "--location", "--header", "PRIVATE-TOKEN: maintainer-token", "--output", "/dev/null")
    shown = ("--write-out", "%{http_code} %{size_download}")
    status, size = _run("curl", *options, *shown, f"{yard.address(plan)}/api/v4{path}").split()
    return int(size) if status == "200" else -int(status)


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command_in(BESIDE, *command), input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
