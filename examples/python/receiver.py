"""Receive webhooks: verify each request, drop what came before, and print the event (standardwebhooks)."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

_VERIFIER = Webhook(os.environ["WEBHOOK_SIGNING_TOKEN"])
_LARGEST = 1024 * 1024
_REMEMBERED = 10_000
_known: dict[str, None] = {}


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to an event, and 401 to what Packyard did not sign, or signed long ago."""

    timeout = 10

    def do_POST(self) -> None:
        """Take one request."""
        size = int(self.headers.get("Content-Length", "0"))
        if size > _LARGEST:
            self._answer(413)
            return
        body = self.rfile.read(size)
        try:
            # The signature is that of the bytes: verify these, and not what a framework made of them.
            event = _VERIFIER.verify(body, dict(self.headers.items()))
        except (WebhookVerificationError, ValueError):
            self._answer(401)
            return
        _take(event)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print events alone."""


def _take(event: dict) -> None:
    if event["id"] in _known:  # an event may come twice
        return
    print(f"{event['id']} {event['type']} {event['subject']}", flush=True)
    _known[event["id"]] = None
    if len(_known) > _REMEMBERED:
        del _known[next(iter(_known))]


def main() -> None:
    """Receive until COUNT events came, or for ever."""
    wanted = int(os.environ.get("COUNT", "0"))
    with HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver) as server:
        while not wanted or len(_known) < wanted:
            server.handle_request()


main()
