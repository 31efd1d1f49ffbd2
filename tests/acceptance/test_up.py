import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from workers.stack.processes import find_marked, inherited
from workers.stack.state import LOOPBACK, free_port

_PACKYARD = [sys.executable, "-m", "workers.cli"]
_UP: list[str | Path] = [*_PACKYARD, "up", "--data-dir"]
_PATIENCE_S = 60


class Up:
    """A `packyard up` under test, in a folder that is kept between its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.demo_files = folder.parent / "demo"
        self._output = folder.parent / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*_UP, self.folder, "--port", str(self.port), "--demo-files", self.demo_files],
                env=inherited() | settings,
                stdout=output,
                stderr=output,
            )
        self.wait_for("Packyard is ready")

    def wait_for(self, text: str) -> None:
        _until(lambda: text in self.output or not self.running)
        assert text in self.output, self.output

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(_PATIENCE_S)

    def command(self, meaning: str) -> str:
        """Run the command printed below the line that begins with *meaning*; return what it printed."""
        found = re.search(rf"# {meaning}.*\n +(.+)\n", self.output)
        assert found, self.output
        done = subprocess.run(found[1], shell=True, check=True, capture_output=True, text=True)  # noqa: S602 - as a user would
        return done.stdout

    def children(self, word: str) -> list[psutil.Process]:
        return [process for process in find_marked(self.folder) if word in process.cmdline()]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "data")
    made.demo_files.mkdir()
    for version in ("1.0", "1.1"):
        (made.demo_files / f"tiny-{version}.tar.gz").write_bytes(b"tiny " + version.encode())
    yield made
    if made.running:
        made.send(signal.SIGKILL)
    for process in find_marked(made.folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_a_stack_lives_through_kills_and_leaves_nothing_behind(up: Up) -> None:
    up.start()
    _assert_printed_commands_work(up)
    _assert_settings_for_other_commands(up)
    _assert_second_is_refused(up)
    _assert_what_dies_is_started_again(up)

    # Killed itself, it finds what it left and goes on where it was.
    up.send(signal.SIGKILL)
    left = find_marked(up.folder)
    assert left
    up.start()
    assert re.search(r"ended \d+ processes that an earlier run left behind", up.output)
    assert not any(process.is_running() for process in left)
    assert up.command("list the packages").count('"name":"tiny"') == 1

    assert up.send(signal.SIGTERM) == 0
    assert not find_marked(up.folder)

    up.start(PACKYARD_HOST="0.0.0.0")  # noqa: S104 - what is tested
    assert "demo-maintainer-token" not in up.output
    assert up.command("list the packages").count('"name":"tiny"') == 1
    assert _status_of_user(up, "demo-root-token") == "401"


def test_a_port_in_use_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        _assert_refused(
            f"port {port} is in use on 127.0.0.1: choose another one with --port",
            tmp_path / "new" / "data",
            "--port",
            str(port),
        )


def test_a_data_folder_that_cannot_be_written_to_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    _assert_refused(f"cannot write to the data folder {folder}: Not a directory", folder)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"PACKYARD_GRACE": "1d"}, "unknown setting: PACKYARD_GRACE (`packyard settings` lists the known ones)"),
        ({"PACKYARD_GRACE_PERIOD": "soon"}, "PACKYARD_GRACE_PERIOD is wrong: should be a number of seconds, or"),
        ({}, "PACKYARD_DATABASE_URL: cannot connect to the database: "),
        ({"PACKYARD_DATABASE_URL": "the run's"}, "PACKYARD_BROKER_URL: cannot "),
    ],
)
def test_wrong_settings_and_absent_servers_stop_the_start(
    tmp_path: Path, database_url: str, settings: Mapping[str, str], reason: str
) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    given = {
        "PACKYARD_DATABASE_URL": f"postgresql://nobody:secret@{nowhere}/none",
        "PACKYARD_BROKER_URL": f"amqp://nobody:secret@{nowhere}/" if settings else "amqp://",
        **settings,
    }
    if given["PACKYARD_DATABASE_URL"] == "the run's":
        given["PACKYARD_DATABASE_URL"] = database_url
    _assert_refused(reason, tmp_path / "new" / "data", "--port", str(free_port()), settings=given)
    assert not (tmp_path / "new").exists()


def _status_of_user(up: Up, token: str) -> str:
    user = f"http://127.0.0.1:{up.port}/api/v4/user"
    status = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"PRIVATE-TOKEN: {token}", user]
    return subprocess.run(status, check=True, capture_output=True, text=True).stdout


def _assert_printed_commands_work(up: Up) -> None:
    assert up.command("list the packages").count('"name":"tiny"') == 2
    assert '"version":"1.0"' in up.command("show tiny 1.0")
    assert up.command("download one").endswith(": OK\n")
    assert "204 No Content" in up.command("delete the package")
    assert up.command("list what is being destroyed").startswith("[")
    assert '"state":"restored"' in up.command("delete where there is a grace")
    _until(lambda: "@orchard/worm" in up.command("what failed"))
    assert "audit 2026-17" in up.command("what is on hold")
    _until(lambda: up.command("list the packages").count('"name":"tiny"') == 1)


def _assert_settings_for_other_commands(up: Up) -> None:
    file = up.folder / "packyard.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = _run("--env-file", str(file), "settings")
    assert f"PACKYARD_EXTERNAL_URL=http://127.0.0.1:{up.port}" in settings.stdout


def _assert_second_is_refused(up: Up) -> None:
    second = _run("up", "--data-dir", str(up.folder), "--port", str(free_port()))
    assert second.returncode == 1
    assert second.stderr == f"packyard: {up.folder} is in use by another `packyard up` (process {up.pid})\n"


def _assert_what_dies_is_started_again(up: Up) -> None:
    (relay,) = up.children("relay")
    relay.kill()
    up.wait_for("relay ended (signal 9), starting it again in 1 s")
    _until(lambda: bool(up.children("relay")))


def _assert_refused(reason: str, folder: Path, *options: str, settings: Mapping[str, str] | None = None) -> None:
    done = _run("up", "--data-dir", str(folder), *options, settings=settings)
    assert done.returncode == 1
    assert done.stderr.startswith(f"packyard: {reason}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr
    assert not find_marked(folder)
    assert not folder.exists(), [*folder.iterdir()]


def _run(*arguments: str, settings: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*_PACKYARD, *arguments],
        env={**inherited(), **(settings or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
