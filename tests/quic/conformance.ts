/**
 * What every adapter does: the behaviours of a connection, each a sentence and a check.
 *
 * @module
 */

import assert from "node:assert/strict";
import { bytes, first, type Pair, readAll, readExactly, text, until, within } from "./adapters.ts";
import { type ListenOptions, PRIORITY, StreamError } from "../../src/quic/mod.ts";

/** One behaviour. */
export interface Behaviour {
  readonly name: string;
  readonly options?: Partial<ListenOptions>;
  /** Rejects when the behaviour is not there; must not hang for ever. */
  readonly check: (pair: Pair) => Promise<void>;
}

function behaviour(
  name: string,
  check: (pair: Pair) => Promise<void>,
  options?: Partial<ListenOptions>,
): Behaviour {
  return { name, check, ...(options === undefined ? {} : { options }) };
}

export const BEHAVIOURS: readonly Behaviour[] = [
  behaviour("both ends know the peer and the handshake is complete", async ({ client, server, listener }) => {
    await within(Promise.all([client.ready, server.ready]));
    assert.equal(client.handshakeComplete, true);
    assert.equal(server.handshakeComplete, true);
    assert.equal(server.remoteAddress?.hostname, "127.0.0.1");
    if (client.kind === "quic") assert.equal(client.remoteAddress?.port, listener.address.port);
    assert.equal(client.kind, server.kind);
    if (server.kind === "webtransport") assert.equal(server.url?.pathname + server.url!.search, "/test?a=b");
  }),
  behaviour("bytes go both ways on a stream the client opens", async ({ client, server }) => {
    const stream = await client.openBidirectionalStream();
    await stream.write(bytes("to the server"));
    const accepted = await first(server.incomingBidirectionalStreams);
    assert.equal(text(await readExactly(accepted, 13)), "to the server");
    await accepted.write(bytes("back"));
    assert.equal(text(await readExactly(stream, 4)), "back");
  }),
  behaviour("bytes go both ways on a stream the server opens", async ({ client, server }) => {
    const stream = await server.openBidirectionalStream();
    await stream.write(bytes("to the client"));
    const accepted = await first(client.incomingBidirectionalStreams);
    assert.equal(text(await readExactly(accepted, 13)), "to the client");
    await accepted.write(bytes("back"));
    assert.equal(text(await readExactly(stream, 4)), "back");
  }),
  behaviour("the client's unidirectional stream reaches the server", async ({ client, server }) => {
    const stream = await client.openUnidirectionalStream();
    await stream.write(bytes("one way"));
    assert.equal(
      text(await within(readExactly(await first(server.incomingUnidirectionalStreams), 7))),
      "one way",
    );
  }),
  behaviour("the server's unidirectional stream reaches the client", async ({ client, server }) => {
    const stream = await server.openUnidirectionalStream();
    await stream.write(bytes("one way"));
    assert.equal(
      text(await within(readExactly(await first(client.incomingUnidirectionalStreams), 7))),
      "one way",
    );
  }),
  behaviour("the client's end of a stream arrives after its bytes", async ({ client, server, patience }) => {
    const stream = await client.openBidirectionalStream();
    await stream.write(bytes("all"));
    await stream.end();
    assert.equal(
      text(await within(readAll(await first(server.incomingBidirectionalStreams)), patience)),
      "all",
    );
  }),
  behaviour("the server's end of a stream arrives after its bytes", async ({ client, server, patience }) => {
    const stream = await server.openUnidirectionalStream();
    await stream.write(bytes("all"));
    await stream.end();
    assert.equal(
      text(await within(readAll(await first(client.incomingUnidirectionalStreams)), patience)),
      "all",
    );
  }),
  behaviour("a megabyte arrives whole and in order through the W3C streams", async ({ client, server }) => {
    const sent = new Uint8Array(1 << 20).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
    const stream = await client.openBidirectionalStream();
    const writing = (async () => {
      const writer = stream.writable.getWriter();
      for (let at = 0; at < sent.length; at += 50_000) await writer.write(sent.subarray(at, at + 50_000));
    })();
    const reader = (await first(server.incomingBidirectionalStreams)).readable.getReader({ mode: "byob" });
    const got = new Uint8Array(sent.length);
    for (let at = 0; at < got.length;) {
      const { value, done } = await within(reader.read(new Uint8Array(Math.min(70_000, got.length - at))));
      assert.equal(done, false);
      got.set(value!, at);
      at += value!.length;
    }
    await within(writing);
    assert.deepEqual(got, sent);
  }),
  behaviour("a datagram goes both ways and is counted", async ({ client, server }) => {
    const fromClient = server.datagrams[Symbol.asyncIterator]();
    const fromServer = client.datagrams[Symbol.asyncIterator]();
    const got = [within(fromClient.next()), within(fromServer.next())];
    await client.sendDatagram(bytes("up"));
    await server.sendDatagram(bytes("down"));
    assert.deepEqual((await Promise.all(got)).map(({ value }) => text(value!)), ["up", "down"]);
    assert.equal(client.stats().datagramsSent, 1);
    assert.equal(server.stats().datagramsReceived, 1);
    assert.equal(server.stats().datagramsSent, 1);
    assert.equal(client.stats().datagramsReceived, 1);
  }),
  behaviour("a datagram of the largest size goes, one byte more is refused", async ({ client, server }) => {
    const largest = client.maxDatagramSize;
    assert.ok(largest >= 1000);
    const got = within(server.datagrams[Symbol.asyncIterator]().next());
    await assert.rejects(client.sendDatagram(new Uint8Array(64 * 1024)), { code: "datagram_too_large" });
    await client.sendDatagram(new Uint8Array(largest).fill(9));
    assert.equal((await got).value?.length, largest);
  }),
  behaviour("a stream counts its own bytes and the connection all of them", async ({ client, server }) => {
    const one = await client.openBidirectionalStream();
    const two = await client.openBidirectionalStream();
    await one.write(new Uint8Array(10));
    await two.write(new Uint8Array(5));
    await one.write(new Uint8Array(1));
    assert.deepEqual([one.stats().bytesSent, two.stats().bytesSent, client.stats().bytesSent], [11, 5, 16]);
    const incoming = server.incomingBidirectionalStreams[Symbol.asyncIterator]();
    for (let i = 0; i < 2; i++) {
      await readExactly((await within(incoming.next())).value!, 5);
    }
    assert.equal(server.stats().bytesReceived, 10);
    assert.equal(server.stats().streamsAccepted, 2);
    assert.equal(client.stats().streamsOpened, 2);
    assert.equal(client.stats().streamsActive, 2);
  }),
  behaviour("a stream ended by both sides is no longer active", async ({ client, server, patience }) => {
    const stream = await client.openBidirectionalStream();
    await stream.write(bytes("x"));
    await stream.end();
    const accepted = await first(server.incomingBidirectionalStreams);
    await within(readAll(accepted), patience);
    await accepted.end();
    await within(readAll(stream), patience);
    assert.equal(client.stats().streamsActive, 0);
    assert.equal(server.stats().streamsActive, 0);
  }),
  behaviour(
    "more streams than the limit can be opened one after the other",
    async ({ client, server, patience }) => {
      const serving = (async () => {
        for await (const stream of server.incomingBidirectionalStreams) {
          await readAll(stream);
          await stream.end();
        }
      })();
      serving.catch(() => {});
      for (let i = 0; i < 12; i++) {
        const stream = await within(client.openBidirectionalStream({ wait: true }), patience);
        await stream.write(bytes("x"));
        await stream.end();
        await within(readAll(stream), patience);
      }
      client.close();
      await within(serving);
    },
    { maxBidirectionalStreams: 5 },
  ),
  behaviour("a stream beyond the limit is refused unless one waits", async ({ client }) => {
    for (let i = 0; i < 20; i++) {
      try {
        await (await client.openBidirectionalStream()).write(bytes("x"));
      } catch (error) {
        assert.ok(error instanceof StreamError && error.code === "stream_limit", String(error));
        return;
      }
    }
    assert.fail("twenty streams were opened where five are allowed");
  }, { maxBidirectionalStreams: 5 }),
  behaviour("a closed stream leaves the others as they are", async ({ client, server, patience }) => {
    const [one, two] = [await client.openBidirectionalStream(), await client.openBidirectionalStream()];
    await one.write(bytes("1"));
    await two.write(bytes("2"));
    const incoming = server.incomingBidirectionalStreams[Symbol.asyncIterator]();
    const accepted = [(await incoming.next()).value!, (await incoming.next()).value!];
    await one.end();
    const ends = await Promise.all(accepted.map(async (stream) => {
      const tag = text(await readExactly(stream, 1));
      if (tag === "1") assert.equal(await within(stream.read(new Uint8Array(1)), patience), null);
      return { tag, stream };
    }));
    await two.write(bytes("still"));
    assert.equal(text(await readExactly(ends.find(({ tag }) => tag === "2")!.stream, 5)), "still");
  }),
  behaviour(
    "an aborted stream does not hang a blocked write and leaves the others",
    async ({ client, server }) => {
      const stream = await client.openBidirectionalStream();
      const blocked = (async () => {
        for (;;) await stream.write(new Uint8Array(256 * 1024));
      })();
      blocked.catch(() => {});
      await until(() => stream.stats().bytesSent > 0, "a first write");
      stream.abort(new Error("enough"));
      await assert.rejects(within(blocked), /enough/);
      const other = await client.openBidirectionalStream({ priority: PRIORITY.CRITICAL });
      await other.write(bytes("alive"));
      const incoming = server.incomingBidirectionalStreams[Symbol.asyncIterator]();
      await within(incoming.next());
      assert.equal(text(await within(readExactly((await within(incoming.next())).value!, 5))), "alive");
    },
  ),
  behaviour("a reader that cancels makes the writer fail", async ({ client, server, patience }) => {
    const stream = await client.openBidirectionalStream();
    await stream.write(bytes("x"));
    (await first(server.incomingBidirectionalStreams)).cancel();
    const writing = (async () => {
      for (;;) await stream.write(new Uint8Array(1000));
    })();
    await assert.rejects(within(writing, patience), { code: "stream_reset" });
  }),
  behaviour("priorities can be set at any time and are kept in 0 to 255", async ({ client }) => {
    const stream = await client.openUnidirectionalStream({ priority: PRIORITY.LOW });
    assert.equal(stream.priority, 64);
    await stream.write(bytes("x"));
    stream.priority = 300;
    assert.equal(stream.priority, 255);
    await stream.write(bytes("y"));
  }),
  behaviour(
    "the client's close code and reason reach the server, and streams fail",
    async ({ client, server }) => {
      const stream = await server.openBidirectionalStream();
      await stream.write(bytes("x"));
      const reading = stream.read(new Uint8Array(10));
      reading.catch(() => {});
      client.close(3001, "going");
      assert.deepEqual(await within(server.closed), { code: 3001, reason: "going", by: "remote" });
      assert.deepEqual(await within(client.closed), { code: 3001, reason: "going", by: "local" });
      await assert.rejects(within(reading));
      await assert.rejects(stream.write(bytes("y")));
      await assert.rejects(server.openBidirectionalStream());
      assert.equal(server.stats().streamsActive, 0);
    },
  ),
  behaviour("the server's close code and reason reach the client", async ({ client, server }) => {
    server.close(3501, "no");
    assert.deepEqual(await within(client.closed), { code: 3501, reason: "no", by: "remote" });
    assert.deepEqual(await within(server.closed), { code: 3501, reason: "no", by: "local" });
  }),
  behaviour(
    "the loops over streams and datagrams end quietly with the connection",
    async ({ client, server }) => {
      const loops = [client, server].flatMap((side) =>
        [side.incomingBidirectionalStreams, side.incomingUnidirectionalStreams, side.datagrams].map(
          async (items) => {
            for await (const _ of items) assert.fail("nothing was sent");
          },
        )
      );
      client.close();
      await within(Promise.all(loops));
    },
  ),
  behaviour("closing the listener tells every client", async ({ client, server, listener }) => {
    await within(listener.close(3001, "shutdown"));
    assert.deepEqual(await within(client.closed), { code: 3001, reason: "shutdown", by: "remote" });
    assert.equal((await within(server.closed)).by, "local");
    assert.equal((await within(listener.connections[Symbol.asyncIterator]().next())).done, true);
  }),
];
