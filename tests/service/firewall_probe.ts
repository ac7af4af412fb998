/**
 * Run behind the firewall: sends packets to itself and prints how many came of each kind.
 *
 * @module
 */

const COUNT = 1000;
/** The first bytes of packets: long header and type Initial, and a short header. */
const INITIAL = 0xc3, SHORT = 0x40;

const service = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 4433 });
const client = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
const got = { first: 0, short: 0, other: 0, connections: 0 };

const receiving = (async () => {
  try {
    for (;;) {
      const [packet] = await service.receive(new Uint8Array(2048));
      if (packet[0] === SHORT) got.other++;
      else if (packet.length < 1200) got.short++;
      else got.first++;
    }
  } catch {
    // It was closed.
  }
})();

function packet(first: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = first;
  return bytes;
}

for (let i = 0; i < COUNT; i++) {
  for (const [first, length] of [[INITIAL, 1200], [INITIAL, 1199], [SHORT, 60]] as const) {
    // A packet that the firewall drops fails where it is sent.
    await client.send(packet(first, length), service.addr).catch(() => {});
  }
  // The receiver keeps up.
  if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

// All that the firewall lets through are accepted by the system, however late this program comes to them.
const listener = Deno.listen({ hostname: "127.0.0.1", port: 8080, tcpBacklog: COUNT });
const accepting = (async () => {
  for await (const connection of listener) {
    got.connections++;
    connection.close();
  }
})();
const attempts = Array.from({ length: COUNT }, async () => {
  const signal = AbortSignal.timeout(500);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: 8080, signal }).catch(() => undefined);
  connection?.close();
});
await Promise.all(attempts);
// Those that are through have been accepted once no more come.
for (let before = -1; got.connections !== before;) {
  before = got.connections;
  await new Promise((resolve) => setTimeout(resolve, 200));
}
listener.close();
service.close();
client.close();
await Promise.all([receiving, accepting]);
console.log(JSON.stringify({ ...got, seconds: performance.now() / 1000 }));
