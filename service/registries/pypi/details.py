"""The fields of an upload that are kept with its file: what an index shows, and what a person wants to read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Self

from multidict import MultiMapping
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, BeforeValidator, ConfigDict

from service.infra.storage.interface import StoredObject
from service.refusals import BadParametersError, BadRequestError, ValidationFailedError
from service.registries.pypi.distributions import Distribution, StoredMetadata

_LONGEST: Final = 255
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?")
"""PEP 508, with the length that a column has."""
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}")
_DIGESTS: Final[Mapping[str, tuple[str, int]]] = {
    "md5_digest": ("md5", 16),
    "sha256_digest": ("sha256", 32),
    "blake2_256_digest": ("blake2_256", 32),
}
"""Field of the form -> the algorithm and the bytes of its digest."""


def _cut_to(length: int) -> BeforeValidator:
    # PostgreSQL keeps no NUL.
    return BeforeValidator(lambda value: value[:length].replace("\0", "") if isinstance(value, str) else value)


_Short = Annotated[str | None, _cut_to(_LONGEST)]


class FileDetails(BaseModel):
    """The facts that are kept with the file; long texts of a form are cut, as GitLab does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    requires_python: str | None = None
    metadata_version: _Short = None
    summary: _Short = None
    keywords: _Short = None
    author_email: _Short = None
    license_expression: _Short = None
    core_metadata: StoredMetadata | None = None
    """The metadata inside a wheel."""


_OF_FORM: Final = FileDetails.model_fields.keys() - {"core_metadata"}


@dataclass(frozen=True, slots=True)
class Release:
    """A form that keeps to the rules: which file of which package and version it brings."""

    name: str
    version: str
    file_name: str
    details: FileDetails
    digests: Mapping[str, bytes]
    """Algorithm -> raw digest, for those that the client names."""

    @classmethod
    def of(cls, fields: MultiMapping[str], file_name: str) -> Self:
        """Read the fields of a form.

        Raises:
            BadParametersError: a field is missing or unreadable.
            ValidationFailedError: name, version or file name breaks a rule.
        """
        missing = [f"{field} is missing" for field in ("name", "version") if not fields.get(field)]
        if missing:
            raise BadParametersError(*missing)
        _check_requires_python(fields.get("requires_python"))
        name, version = fields["name"], fields["version"]
        _check_name(name, version)
        _check_file_name(file_name, name, version)
        kept = {key: fields[key] for key in _OF_FORM if fields.get(key)}
        return cls(name, version, file_name, FileDetails.model_validate(kept), _digests(fields))

    def check(self, stored: StoredObject, *, blake2_256: bytes) -> None:
        """Compare the bytes that came with the digests that the client named.

        Raises:
            BadRequestError: they are other bytes.
        """
        found = {"md5": stored.md5, "sha256": stored.sha256, "blake2_256": blake2_256}
        for algorithm, expected in self.digests.items():
            if found[algorithm] != expected:
                raise BadRequestError(f"Checksum does not match ({algorithm})")

    def described_by(self, distribution: Distribution) -> Self:
        """Return the release with what the file says of itself, which counts where the form says otherwise.

        Raises:
            ValidationFailedError: the file says that it is another package.
        """
        distribution.check(name=self.name, version=self.version)
        _check_requires_python(distribution.requires_python)
        details = self.details.model_copy(
            update={
                "requires_python": distribution.requires_python or self.details.requires_python,
                "core_metadata": distribution.stored_metadata,
            }
        )
        return replace(self, details=details)


def possible_names(file_name: str) -> list[str]:
    """Return the normal names of the packages to which a file of that name may belong, at most 64."""
    cuts = [cut.start() for cut in re.finditer(r"[-_.]+", file_name)][:64]
    return list(dict.fromkeys(canonicalize_name(file_name[:cut]) for cut in cuts if cut))


def _check_requires_python(specifier: str | None) -> None:
    if specifier is not None and len(specifier) > _LONGEST:
        raise ValidationFailedError(f"Requires python is too long (maximum is {_LONGEST} characters)")
    if specifier is not None and not specifier.isprintable():
        raise ValidationFailedError("Requires python is invalid")


def _check_name(name: str, version: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValidationFailedError("Name is invalid")
    # Python refuses to read numbers that are longer than a version can be.
    if len(version) > _LONGEST:
        raise ValidationFailedError("Version is invalid")
    try:
        Version(version)
    except InvalidVersion:
        raise ValidationFailedError("Version is invalid") from None


def _check_file_name(file_name: str, name: str, version: str) -> None:
    if not _FILE_NAME.fullmatch(file_name):
        raise ValidationFailedError("File name is invalid")
    try:
        if file_name.endswith(".whl"):
            found_name, found_version, *_ = parse_wheel_filename(file_name)
        else:
            found_name, found_version = parse_sdist_filename(file_name)
    except (InvalidWheelFilename, InvalidSdistFilename):
        raise ValidationFailedError("File name is invalid") from None
    is_same_version = canonicalize_version(found_version) == canonicalize_version(version)
    if found_name != canonicalize_name(name) or not is_same_version:
        raise ValidationFailedError("File name does not belong to that name and version")


def _digests(fields: MultiMapping[str]) -> Mapping[str, bytes]:
    digests = {}
    for field, (algorithm, length) in _DIGESTS.items():
        written = fields.get(field)
        if not written:
            continue
        if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * length}}}", written):
            raise BadParametersError(f"{field} is invalid")
        digests[algorithm] = bytes.fromhex(written)
    return digests
