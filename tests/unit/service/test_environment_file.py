"""The file of `--env-file`: read as dotenv does, and below the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.environment import environment_line, read_environment_file
from service.errors import StartError

_COMMAND = [sys.executable, "-m", "workers.cli", "--env-file"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "packyard.env"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PACKYARD_X=plain", "plain"),
        ("export PACKYARD_X=exported", "exported"),
        ("PACKYARD_X = spaced ", "spaced"),
        ("PACKYARD_X='single \"quoted\" # no comment'", 'single "quoted" # no comment'),
        ('PACKYARD_X="double\\tquoted"', "double\tquoted"),
        ("# a comment\n\nPACKYARD_X=value # and another", "value"),
        ("PACKYARD_X=no#comment", "no#comment"),
        ("\ufeffPACKYARD_X=after a mark", "after a mark"),
        ("PACKYARD_X=with\r\nPACKYARD_Y=windows\r\n", "with"),
        ("PACKYARD_X=one\nPACKYARD_X=two", "two"),
        ("PACKYARD_X=${HOME}", "${HOME}"),
        ("PACKYARD_X=", ""),
    ],
)
def test_a_file_is_read_as_dotenv_does(file: Path, text: str, value: str) -> None:
    file.write_bytes(text.encode())

    assert read_environment_file(file)["PACKYARD_X"] == value


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    file = tmp_path_factory.getbasetemp() / "written.env"
    file.write_bytes(f"{environment_line('PACKYARD_X', value)}\nPACKYARD_Y=y\n".encode())

    assert read_environment_file(file) == {"PACKYARD_X": value, "PACKYARD_Y": "y"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, ": no such file or directory"),
        (bytes(range(256)), ": is not UTF-8 text"),
        (b"PACKYARD_X=a\0b\n", ": is not text"),
        (b"PACKYARD_X=1\nnonsense\n", ", line 2: should be PACKYARD_NAME=value"),
        (b"PACKYARD_X='open\n", ", line 1: should be PACKYARD_NAME=value"),
        (b"AWS_REGION=x\n", ", line 1: should be PACKYARD_NAME=value"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(file: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(StartError) as refused:
        read_environment_file(file)

    assert str(refused.value) == f"{file}{reason}"


def test_the_command_prefers_the_environment_and_needs_no_traceback_for_a_bad_file(file: Path) -> None:
    file.write_text("PACKYARD_LEASE=9s\nPACKYARD_BACKOFF=8s\n", encoding="utf-8")
    shown = subprocess.run(
        [*_COMMAND, file, "settings"],
        env={"PACKYARD_LEASE": "7s"},
        capture_output=True,
        text=True,
        check=False,
    )
    missing = subprocess.run([*_COMMAND, f"{file}.not", "settings"], capture_output=True, text=True, check=False)

    assert "PACKYARD_LEASE=7s\n" in shown.stdout
    assert "PACKYARD_BACKOFF=8s\n" in shown.stdout
    assert (missing.returncode, missing.stderr) == (1, f"packyard: {file}.not: no such file or directory\n")
