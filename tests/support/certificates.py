"""A certificate authority of a test's own, and a certificate for localhost from it."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
_LOCAL: Final = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority that clients trust, and the certificate that a server shows."""

    certificate: Path
    server: ssl.SSLContext


def make_authority(folder: Path, names: str = _LOCAL) -> Authority:
    """Make both in *folder*, which gives the authority its name; the server is good for *names*, both for a day."""
    folder.mkdir(parents=True)
    extensions = f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n"
    (folder / "extensions").write_text(extensions, encoding="utf-8")
    own = ("-keyout", "ca.key", "-out", "ca.crt", "-subj", f"/CN={folder.name}")
    _openssl(folder, "req", "-x509", "-days", "1", *_KEY, *own, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl(folder, "req", *_KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-out", "server.crt")
    _openssl(folder, "x509", "-req", "-days", "1", "-in", "server.csr", *signed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return Authority(folder / "ca.crt", context)


def hashed(authority: Authority, folder: Path) -> Path:
    """Make *folder* a folder of certificates as a system keeps them, with that of the authority in it."""
    folder.mkdir()
    (folder / "company.pem").write_bytes(authority.certificate.read_bytes())
    _openssl(folder, "rehash", str(folder))
    return folder


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
