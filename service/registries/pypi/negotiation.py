"""Which form of an index a client wants (PEP 691), by its Accept header."""

import re
from typing import Final

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
_JSON: Final = frozenset({JSON_TYPE, "application/vnd.pypi.simple.latest+json"})
_HTML: Final = frozenset({"application/vnd.pypi.simple.v1+html", "text/html", "text/*", "*/*"})
_MOST_CHOICES: Final = 32
_QUALITY: Final = re.compile(r";\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def wants_json(accept: str) -> bool:
    """Return whether a client with that Accept header prefers JSON; HTML is the answer to all that name neither."""
    best_json = best_html = 0.0
    for choice in accept.split(",", _MOST_CHOICES)[:_MOST_CHOICES]:
        media = choice.partition(";")[0].strip().lower()
        found = _QUALITY.search(choice)
        quality = float(found[1]) if found else 1.0
        if media in _JSON:
            best_json = max(best_json, quality)
        elif media in _HTML:
            best_html = max(best_html, quality)
    return best_json > 0 and best_json >= best_html
