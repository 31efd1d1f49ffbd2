"""The manifest of a version: the rules for a publication, and what of it is kept."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from pydantic_core import from_json, to_json

from schemas.base import Json
from service.infra.storage.interface import StoredObject
from service.refusals import BadParametersError, BadRequestError, ValidationFailedError
from service.registries.npm.names import require_name, require_tag, require_version
from service.registries.npm.refusals import UnpublishableError
from service.registries.npm.tarball import TarballReader

_LARGEST: Final = 20_000
"""Characters of a manifest."""
_LEFT_OUT: Final = frozenset({"readme", "readmeFilename", "licenseText", "contributors", "exports"})
"""Fields that GitLab does not keep; they may be long, and no installation reads them from here."""
_OF_INSTALLATIONS: Final = (
    "name",
    "version",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "acceptDependencies",
    "bin",
    "directories",
    "engines",
    "cpu",
    "os",
    "libc",
    "funding",
    "_hasShrinkwrap",
    "hasInstallScript",
)
"""Fields of the abbreviated metadata, which installations read."""
_OURS: Final = frozenset({"dist", "deprecated", "_rev"})
"""Fields that are written anew with each answer."""
_INSTALL_SCRIPTS: Final = frozenset({"preinstall", "install", "postinstall"})
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_DEFAULT_TAG: Final = "latest"
_SHA512: Final = "sha512-"
_UNREADABLE: Final = "body should be the JSON that npm publishes"


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A body that keeps to the rules: the version that it brings, and its tag."""

    name: str
    version: str
    tag: str
    manifest: Json
    attachments: Mapping[str, object]

    @classmethod
    def of(cls, body: bytes, *, name: str) -> Self:
        """Read the body, in which the tarball is an empty string; *name* is the one of the address.

        Raises:
            BadParametersError: it is no such JSON, or its name is another one.
            UnpublishableError: it has no version.
            ValidationFailedError: name, version, tag or manifest break a rule.
        """
        found = _read(body)
        if found.get("name") != name:
            raise BadParametersError("name is not the name in the address")
        require_name(name)
        versions, tags, attachments = (_object(found.get(key)) for key in ("versions", "dist-tags", "_attachments"))
        if not versions:
            raise UnpublishableError("Version is empty.")
        version, manifest = next(iter(versions.items()))
        require_version(version)
        tag = next(iter(tags), _DEFAULT_TAG)
        require_tag(tag)
        return cls(name, version, tag, _manifest_of(manifest, name=name, version=version), attachments)

    def check(self, stored: StoredObject, *, file_name: str | None, sha512: bytes) -> None:
        """Compare the bytes that came with what the client says of them.

        Raises:
            UnpublishableError: none came.
            BadRequestError: they are other bytes.
        """
        if file_name is None or not stored.size:
            raise UnpublishableError("Attachment data is empty.")
        length = _object(self.attachments.get(file_name)).get("length")
        if isinstance(length, int) and length != stored.size:
            raise BadRequestError("Checksum does not match (length)")
        dist = _object(self.manifest.get("dist"))
        if (shasum := dist.get("shasum")) and str(shasum).lower() != stored.sha1.hex():
            raise BadRequestError("Checksum does not match (sha1)")
        if (integrity := dist.get("integrity")) and not _holds(str(integrity), sha512):
            raise BadRequestError("Checksum does not match (sha512)")

    def details(self, tarball: TarballReader, *, sha512: bytes) -> str:
        """Return, as JSON, what is kept with the file.

        Raises:
            ValidationFailedError: the package.json of the tarball is of another package.
        """
        install = {key: self.manifest[key] for key in _OF_INSTALLATIONS if key in self.manifest}
        # Somebody may publish another manifest than the one in the tarball, which counts for the script.
        if _check_same(tarball.manifest, self) or _has_install_script(self.manifest):
            install["hasInstallScript"] = True
        more = {key: value for key, value in self.manifest.items() if key not in install and key not in _OURS}
        kept = {
            "install": install,
            "more": more,
            "integrity": _SHA512 + base64.b64encode(sha512).decode(),
            "file_count": tarball.files,
            "unpacked_size": tarball.unpacked,
        }
        if deprecated := self.manifest.get("deprecated"):
            kept["deprecation"] = str(deprecated)
        written = to_json(kept).decode()
        if _NUL.search(written):
            raise ValidationFailedError("Manifest should have no NUL character")
        return written


def _check_same(manifest: bytes | None, new: NewVersion) -> bool:
    """Compare the package.json of the tarball with what was published; return whether it has an install script.

    Raises:
        ValidationFailedError: there is none, or it has another name or version.
    """
    if manifest is None:
        raise ValidationFailedError("Tarball has no package.json in its folder")
    try:
        # npm itself passes over a byte order mark.
        found = from_json(manifest.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        raise ValidationFailedError("Tarball: package.json is no JSON that can be read") from None
    inside = _object(found)
    if inside.get("name") != new.name or _plain(inside.get("version")) != _plain(new.version):
        raise ValidationFailedError("Tarball: package.json has another name or version")
    return _has_install_script(inside)


def _has_install_script(manifest: Mapping[str, object]) -> bool:
    """Return whether npm runs something of the package when it is installed."""
    return bool(_INSTALL_SCRIPTS & _object(manifest.get("scripts")).keys())


def _plain(version: object) -> str:
    """Return a version as npm publishes it: without spaces, a leading v or =, and the build."""
    return str(version).strip().lstrip("v= ").partition("+")[0]


def _read(body: bytes) -> Json:
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise BadParametersError(_UNREADABLE) from None
    if not isinstance(found, dict):
        raise BadParametersError(_UNREADABLE)
    return found


def _manifest_of(manifest: object, *, name: str, version: str) -> Json:
    kept = {key: value for key, value in _object(manifest).items() if key not in _LEFT_OUT}
    if kept.get("name") != name or kept.get("version") != version:
        raise ValidationFailedError("Manifest should have the name and the version of its package")
    if len(to_json(kept).decode()) > _LARGEST:
        raise ValidationFailedError(f"Package json structure is too large. Maximum size is {_LARGEST} characters")
    return kept


def _object(found: object) -> Json:
    return found if isinstance(found, dict) else {}


def _holds(integrity: str, sha512: bytes) -> bool:
    """Return whether one of the SHA-512 digests is this one; others are not compared (Subresource Integrity)."""
    digests = [word.partition("?")[0][len(_SHA512) :] for word in integrity.split() if word.startswith(_SHA512)]
    try:
        return not digests or sha512 in [base64.b64decode(digest, validate=True) for digest in digests]
    except binascii.Error:
        return False
