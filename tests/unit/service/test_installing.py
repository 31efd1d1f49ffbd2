"""The lines that install a package, of every package manager that can."""

import shlex

import pytest

from schemas.names import PackageType
from service.web.installing import Installable, instructions

_BASE = "https://yard.example/api/v4/projects/7/packages"


def _lines(package_type: PackageType, name: str, version: str = "1.0", file_name: str = "") -> list[str]:
    found = instructions(package_type, Installable(_BASE, name, version, file_name))
    return [instruction.lines for instruction in found]


@pytest.mark.parametrize(
    ("package_type", "name", "expected"),
    [
        (PackageType.PYPI, "kit", f"pip install --index-url {_BASE}/pypi/simple kit==1.0"),
        (PackageType.NPM, "kit", f"npm install --registry {_BASE}/npm/ kit@1.0"),
        (PackageType.NPM, "@a/kit", f"npm config set @a:registry={_BASE}/npm/\nnpm install @a/kit@1.0"),
        (PackageType.NUGET, "Kit", f"nuget install Kit -Version 1.0 -Source {_BASE}/nuget/index.json"),
        (
            PackageType.HELM,
            "kit",
            f"helm repo add packyard {_BASE}/helm/stable\nhelm install kit packyard/kit --version 1.0",
        ),
    ],
)
def test_the_first_lines_are_those_of_the_usual_program(package_type: PackageType, name: str, expected: str) -> None:
    assert _lines(package_type, name)[0] == expected


def test_maven_and_gradle_get_coordinates() -> None:
    maven, gradle = _lines(PackageType.MAVEN, "com/acme/kit")

    assert f"<url>{_BASE}/maven</url>" in maven
    assert "<groupId>com.acme</groupId>\n  <artifactId>kit</artifactId>\n  <version>1.0</version>" in maven
    assert gradle.endswith('implementation("com.acme:kit:1.0")')


def test_a_generic_package_is_downloaded_by_a_file() -> None:
    (line,) = _lines(PackageType.GENERIC, "a kit", file_name="sub%2Ffile.bin")

    assert line == f"curl --fail --location --remote-name {_BASE}/generic/a%20kit/1.0/sub%2Ffile.bin"
    assert _lines(PackageType.GENERIC, "kit") == []
    assert _lines(PackageType.CONAN, "kit") == []


@pytest.mark.parametrize("package_type", [PackageType.PYPI, PackageType.NPM, PackageType.NUGET, PackageType.HELM])
def test_a_name_cannot_become_a_command(package_type: PackageType) -> None:
    for lines in _lines(package_type, "x; rm -rf $HOME `id`"):
        for line in lines.splitlines():
            assert not {"rm", "-rf", "$HOME", "`id`"} & set(shlex.split(line))


def test_a_name_cannot_become_markup_or_code_in_a_build_file() -> None:
    maven, gradle = _lines(PackageType.MAVEN, 'g/a<b>"${x}')

    assert "<artifactId>a&lt;b&gt;&quot;${x}</artifactId>" in maven
    assert gradle.endswith('implementation("g:a<b>\\"\\${x}:1.0")')
