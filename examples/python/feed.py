"""Follow the feed over HTTP with nothing but Python, and go on where the last run ended."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_PLACE = Path(os.environ.get("FEED_PLACE", "feed-place"))
"""This file has the number of the last event that was dealt with."""


def main() -> None:
    """Follow until COUNT events were received, or for ever."""
    left = int(os.environ.get("COUNT", "0")) or None
    after = int(_PLACE.read_text()) if _PLACE.exists() else 0
    for event in _events(after):
        print(f"{event['id']} {event['type']} {event['subject']}", flush=True)
        # Written after the effect, so that a crash repeats an event and loses none.
        _PLACE.write_text(str(int(event["sequence"])))
        if left is not None and (left := left - 1) <= 0:
            return


def _events(after: int) -> Iterator[dict]:
    while True:
        request = urllib.request.Request(f"{os.environ['FEED_ADDRESS']}?after={after}&wait=60")
        request.add_header("PRIVATE-TOKEN", os.environ["FEED_TOKEN"])
        with urllib.request.urlopen(request, timeout=90) as answer:
            yield from json.load(answer)
            # Also in an empty answer: so far was read.
            after = int(answer.headers["X-Next-After"])


main()
