// Print events with amqplib.
import amqp from "amqplib";

const { EVENTS_ADDRESS, EVENTS_QUEUE, EVENTS_OFFSET = "", COUNT = "0" } = process.env;
let left = Number(COUNT) || Infinity;
const known = new Set();

const connection = await amqp.connect(EVENTS_ADDRESS);
const channel = await connection.createChannel();
// No more than these wait here without an acknowledgement. A stream insists on a prefetch.
await channel.prefetch(100);
// Where to begin in a stream: first, next, or an offset.
const offset = /^\d+$/.test(EVENTS_OFFSET) ? Number(EVENTS_OFFSET) : EVENTS_OFFSET;
const options = offset === "" ? {} : { arguments: { "x-stream-offset": offset } };

await channel.consume(
  EVENTS_QUEUE,
  async (message) => {
    if (message === null) throw new Error("the queue is gone");
    if (left <= 0) return;
    const event = JSON.parse(message.content.toString());
    const key = `${event.source} ${event.id}`;
    if (!known.has(key)) {
      // An event may come twice.
      console.log(`${event.id} ${event.type} ${event.subject}`);
      known.add(key);
      if (known.size > 10_000) known.delete(known.values().next().value);
    }
    channel.ack(message);
    left -= 1;
    if (left <= 0) {
      await channel.close();
      await connection.close();
    }
  },
  options,
);
