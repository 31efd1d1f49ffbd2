"""Print events with pika, the blocking client."""

import json
import os

import pika

_REMEMBERED = 10_000


def main() -> None:
    """Consume until COUNT events were received, or for ever."""
    left = int(os.environ.get("COUNT", "0")) or None
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["EVENTS_ADDRESS"]))
    channel = connection.channel()
    # No more than these wait here without an acknowledgement. A stream insists on a prefetch.
    channel.basic_qos(prefetch_count=100)
    known: dict[tuple[str, str], None] = {}
    for method, _, body in channel.consume(os.environ["EVENTS_QUEUE"], arguments=_beginning()):
        event = json.loads(body)
        key = event["source"], event["id"]
        if key not in known:  # an event may come twice
            print(f"{event['id']} {event['type']} {event['subject']}", flush=True)
            known[key] = None
            if len(known) > _REMEMBERED:
                del known[next(iter(known))]
        channel.basic_ack(method.delivery_tag)
        if left is not None and (left := left - 1) <= 0:
            break
    channel.cancel()
    connection.close()


def _beginning() -> dict[str, str | int]:
    """Return where to begin in a stream: first, next, or an offset."""
    offset = os.environ.get("EVENTS_OFFSET", "")
    return {"x-stream-offset": int(offset) if offset.isdigit() else offset} if offset else {}


main()
