// Follow the feed over HTTP as server-sent events. EventSource connects again by itself, with Last-Event-ID.
import { EventSource } from "eventsource";

const { FEED_ADDRESS, FEED_TOKEN, FEED_AFTER, FEED_TYPES, COUNT = "0" } = process.env;
let left = Number(COUNT) || Infinity;

const address = new URL(FEED_ADDRESS);
if (FEED_AFTER) address.searchParams.set("after", FEED_AFTER);
const source = new EventSource(address, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, "PRIVATE-TOKEN": FEED_TOKEN } }),
});

// Each type has its own name; a listener for `message` alone would get none of them.
for (const type of FEED_TYPES.split(",")) {
  source.addEventListener(`io.packyard.${type}.v1`, ({ data }) => {
    if (left <= 0) return;
    const event = JSON.parse(data);
    console.log(`${event.id} ${event.type} ${event.subject}`);
    // Store event.sequence with the effect: it is FEED_AFTER of the next run.
    left -= 1;
    if (left <= 0) source.close();
  });
}
source.addEventListener("error", (error) => console.error(`waiting to connect again: ${error.message ?? ""}`));
