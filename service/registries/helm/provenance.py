"""Provenance files: a signed text that names a chart and its digest, by which Helm verifies the chart."""

import re
from typing import Final

from service.refusals import ValidationFailedError
from service.registries.helm.charts import Chart

PROVENANCE: Final = "prov"
"""The field of a form."""
PROVENANCE_SUFFIX: Final = ".prov"
_BEGINNING: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"


def read_provenance(text: str | None, chart: Chart, *, sha256: bytes) -> bytes | None:
    """Return the bytes of a provenance file that fits the chart; None when none came.

    The signature is for clients to verify, who know whom they trust.

    Raises:
        ValidationFailedError: it is no signed text, or names another chart or other bytes.
    """
    if not text:
        return None
    if not text.lstrip().startswith(_BEGINNING) or _SIGNATURE not in text:
        raise ValidationFailedError("Provenance file should be a signed text")
    line = rf"^[ \t]+{re.escape(chart.file_name)}:[ \t]*sha256:{sha256.hex()}\s*$"
    if not re.search(line, text, re.MULTILINE):
        raise ValidationFailedError("Provenance file does not belong to that chart")
    return text.encode()
