/** Whoever can reach the port of a peer may send anything to it: the connections there are go on, and nobody is answered. */

import assert from "node:assert/strict";
import { deadline } from "../../src/async/deadline.ts";
import type { PeerConnection } from "../../src/peer/mod.ts";
import { textAttribute } from "../../src/peer/stun/attributes.ts";
import { encodeProtected, shortTermKey } from "../../src/peer/stun/integrity.ts";
import { ATTRIBUTE, type StunMessage, transactionId } from "../../src/peer/stun/message.ts";
import { SignallingHub } from "./support.ts";

const random = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));

function stun(kind: StunMessage["class"], fragment?: string): Uint8Array<ArrayBuffer> {
  const attributes = fragment === undefined ? [] : [textAttribute(ATTRIBUTE.username, `${fragment}:someone`)];
  const message = { class: kind, method: "binding", transactionId: transactionId(), attributes } as const;
  return encodeProtected(message, shortTermKey("guessed"));
}

/** What a stranger sends. @param fragment That of a connection that there is: signals may be seen by others. */
function junk(fragment: string): (() => Uint8Array<ArrayBuffer>)[] {
  const longHeader = (): Uint8Array<ArrayBuffer> => {
    const bytes = random(1_200);
    bytes.set([0xc0, 0, 0, 0, 1]);
    return bytes;
  };
  return [
    () => random(1 + Math.floor(Math.random() * 1_400)),
    () => new Uint8Array(0),
    longHeader,
    () => stun("request"),
    () => stun("request", fragment),
    () => stun("request", "unknown"),
    () => stun("success"),
    () => stun("error"),
    () => stun("indication", fragment),
    // The head of ChannelData.
    () => Uint8Array.from([0x40, 1, 0, 60, ...random(60)]),
  ];
}

async function echo({ current }: PeerConnection): Promise<void> {
  for await (const stream of current!.incomingBidirectionalStreams) {
    void stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

Deno.test("peer strangers: a flood of junk and of checks holds nothing up, and none is answered", async () => {
  const hub = new SignallingHub();
  const interfaces = (): string[] => ["127.0.0.1"];
  const ann = await hub.peer({ interfaces });
  const bob = await hub.peer({
    interfaces,
    onIncoming: (connection) => void echo(connection).catch(() => {}),
  });
  const stranger = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const connection = ann.connect(bob.id);
    const states: string[] = [];
    const stream = await (await connection.ready()).openBidirectionalStream();
    connection.on({ state: (state) => states.push(state) });
    const answer = hub.sent.map(({ signal }) => signal).find((signal) => signal.type === "answer")!;
    const port = answer.candidates.find(({ kind }) => kind === "host")!.address.port;
    const makers = junk(answer.fragment);
    const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
    let answers = 0;
    const listening = (async () => {
      for await (const _ of stranger) answers++;
    })();
    for (let trip = 0; trip < 100; trip++) {
      const flood = Array.from(
        { length: 100 },
        (_, i) => stranger.send(makers[i % makers.length]!(), to).catch(() => 0),
      );
      const text = `trip ${trip}`.padEnd(10);
      await stream.write(new TextEncoder().encode(text));
      const late = (): Error => new Error(`no answer to ${text}`);
      assert.equal(new TextDecoder().decode(await deadline(stream.readExact(10), 20_000, late)), text);
      await Promise.all(flood);
    }
    assert.deepEqual(states, []);
    assert.equal(connection.path?.kind, "direct");
    stranger.close();
    await listening;
    assert.equal(answers, 0);
  } finally {
    await Promise.all([ann.close(), bob.close()]);
  }
});
