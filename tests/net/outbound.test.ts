/** Requests to real servers that do what they should not. */

import assert from "node:assert/strict";
import { OutboundClient, type OutboundFailure, type OutboundOptions } from "../../src/net/outbound.ts";
import { makeCertificate } from "../support/certificate.ts";

const LIMITS = { timeout: 5000, maxAnswer: 1000 };
const failed = (failure: OutboundFailure) => (error: unknown) =>
  (error as { failure: string }).failure === failure;

/** A server and a client that may reach it. */
async function serving(
  handler: (request: Request) => Response | Promise<Response>,
  test: (parts: { url: string; client: OutboundClient; port: number }) => Promise<void>,
  options: OutboundOptions = { allowPrivate: true },
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const client = new OutboundClient(options);
  try {
    await test({ url: `http://127.0.0.1:${server.addr.port}/`, client, port: server.addr.port });
  } finally {
    client.close();
    await server.shutdown();
  }
}

/** A server that says what a test wants to every connection. */
async function raw(
  talk: (connection: Deno.Conn, count: number) => Promise<void>,
  test: (url: string, client: OutboundClient) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let count = 0;
  const accepting = (async () => {
    for await (const connection of listener) {
      open.add(connection);
      talk(connection, ++count).catch(() => {});
    }
  })();
  const client = new OutboundClient({ allowPrivate: true });
  try {
    await test(`http://127.0.0.1:${listener.addr.port}/`, client);
  } finally {
    client.close();
    listener.close();
    await accepting;
    for (const connection of open) {
      try {
        connection.close();
      } catch {
        // It was closed by the test.
      }
    }
  }
}

const write = (connection: Deno.Conn, text: string) => connection.write(new TextEncoder().encode(text));
const read = (connection: Deno.Conn) => connection.read(new Uint8Array(65_536));

Deno.test("outbound: a request brings status, headers and body", async () => {
  const handler = async (request: Request) =>
    new Response(`${request.method} ${await request.text()}`, { status: 201, headers: { "x-a": "b" } });
  await serving(handler, async ({ url, client }) => {
    const answer = await client.request({ url, method: "POST", body: "hälló", ...LIMITS });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("x-a"), "b");
    assert.equal(new TextDecoder().decode(answer.body), "POST hälló");
  });
});

Deno.test("outbound: private addresses are refused before a connection is made", async () => {
  let calls = 0;
  const handler = () => {
    calls++;
    return new Response("");
  };
  await serving(handler, async ({ port, client }) => {
    for (
      const host of [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0x7f.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
      ]
    ) {
      await assert.rejects(
        client.request({ url: `http://${host}:${port}/`, ...LIMITS }),
        failed("private_address"),
        host,
      );
    }
  }, {});
  assert.equal(calls, 0);
});

Deno.test("outbound: a name is connected to at the address that was checked", async () => {
  const asked: string[] = [];
  const answers = [["127.0.0.1"], ["10.0.0.1", "::1"]];
  const resolve = (name: string) => {
    asked.push(name);
    return Promise.resolve(answers[asked.length - 1]!);
  };
  await serving((request) => new Response(request.headers.get("host")), async ({ port, client }) => {
    const url = `http://hooks.example:${port}/`;
    const answer = await client.request({ url, ...LIMITS });
    assert.equal(new TextDecoder().decode(answer.body), `hooks.example:${port}`);
    assert.deepEqual(asked, ["hooks.example"], "it was resolved once");
  }, { allowPrivate: true, resolve });
  const careful = new OutboundClient({ resolve });
  await assert.rejects(
    careful.request({ url: "http://hooks.example/", ...LIMITS }),
    failed("private_address"),
  );
  careful.close();
});

Deno.test("outbound: a name without an address is said to be one", async () => {
  const client = new OutboundClient({ resolve: () => Promise.reject(new Error("no such name")) });
  await assert.rejects(client.request({ url: "http://nobody.example/", ...LIMITS }), failed("unresolved"));
  client.close();
});

Deno.test("outbound: redirects are answers", async () => {
  await serving(
    (request) => Response.redirect(new URL("/elsewhere", request.url), 302),
    async ({ url, client }) => {
      assert.equal((await client.request({ url, ...LIMITS })).status, 302);
    },
  );
});

Deno.test("outbound: an answer that is too large is cut off", async () => {
  let sent = 0;
  const handler = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => {
          sent += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
      }),
    );
  await serving(handler, async ({ url, client }) => {
    await assert.rejects(client.request({ url, ...LIMITS }), failed("too_large"));
    assert.ok(sent < 10_000_000, `${sent} bytes were sent`);
  });
});

Deno.test("outbound: a server that hangs is given up, before and after its head", async () => {
  await raw(async (connection) => void await read(connection), async (url, client) => {
    await assert.rejects(client.request({ url, timeout: 50, maxAnswer: 10 }), failed("timeout"));
  });
  await raw(async (connection) => {
    await read(connection);
    await write(connection, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
  }, async (url, client) => {
    await assert.rejects(client.request({ url, timeout: 50, maxAnswer: 10 }), failed("timeout"));
  });
});

Deno.test("outbound: garbage, a cut answer and endless headers are failures", async () => {
  const talks = [
    "\x00\x01\x02 garbage\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\n" + "x: ".padEnd(1_000_000, "y"),
    "",
  ];
  for (const talk of talks) {
    await raw(async (connection) => {
      await read(connection);
      if (talk !== "") await write(connection, talk);
      connection.close();
    }, async (url, client) => {
      await assert.rejects(
        client.request({ url, timeout: 3000, maxAnswer: 100 }),
        failed("unreachable"),
        talk.slice(0, 30),
      );
    });
  }
});

Deno.test("outbound: nobody listening is a failure", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const client = new OutboundClient({ allowPrivate: true });
  await assert.rejects(
    client.request({ url: `http://127.0.0.1:${port}/`, ...LIMITS }),
    failed("unreachable"),
  );
  await assert.rejects(client.request({ url: "ftp://127.0.0.1/", ...LIMITS }), failed("unreachable"));
  client.close();
});

Deno.test("outbound: a connection that the server ended while it was idle is replaced", async () => {
  await raw(async (connection) => {
    await read(connection);
    await write(connection, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    connection.close();
  }, async (url, client) => {
    for (let i = 0; i < 20; i++) {
      assert.equal((await client.request({ url, method: "POST", body: "x", ...LIMITS })).status, 200);
    }
  });
});

Deno.test("outbound: the caller can give up", async () => {
  await raw(async (connection) => void await read(connection), async (url, client) => {
    const giving = new AbortController();
    const asking = client.request({ url, ...LIMITS, signal: giving.signal });
    giving.abort();
    await assert.rejects(asking, failed("aborted"));
    await assert.rejects(client.request({ url, ...LIMITS, signal: giving.signal }), failed("aborted"));
  });
});

Deno.test("outbound: TLS is held to the name, not to the address", async () => {
  const { cert, key } = await makeCertificate({ names: ["hooks.example"] });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => new Response("ok"),
  );
  const resolve = () => Promise.resolve(["127.0.0.1"]);
  const client = new OutboundClient({ allowPrivate: true, caCerts: [cert], resolve });
  const stranger = new OutboundClient({ allowPrivate: true, resolve });
  const at = (name: string) => ({ url: `https://${name}:${server.addr.port}/`, ...LIMITS });
  try {
    assert.equal((await client.request(at("hooks.example"))).status, 200);
    await assert.rejects(client.request(at("other.example")), failed("unreachable"), "another name");
    await assert.rejects(
      stranger.request(at("hooks.example")),
      failed("unreachable"),
      "an unknown authority",
    );
  } finally {
    client.close();
    stranger.close();
    await server.shutdown();
  }
});

Deno.test("outbound: a body can be read as it comes, and left", async () => {
  let cancelled = false;
  const handler = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new TextEncoder().encode("piece ")),
        cancel: () => void (cancelled = true),
      }),
    );
  await serving(handler, async ({ url, client }) => {
    const { body } = await client.open({ url, timeout: 5000, maxAnswer: 1_000_000 });
    let got = 0;
    for await (const part of body) {
      got += part.length;
      if (got > 100) break;
    }
    while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

Deno.test("outbound: of several addresses the next one is tried when one does not connect", async () => {
  const resolve = () => Promise.resolve(["::1", "127.0.0.2", "127.0.0.1"]);
  await serving(() => new Response("here"), async ({ port, client }) => {
    const answer = await client.request({ url: `http://many.example:${port}/`, ...LIMITS });
    assert.equal(new TextDecoder().decode(answer.body), "here");
  }, { allowPrivate: true, resolve });
  // None of the others is tried when only one may be connected to.
  await serving(() => new Response("here"), async ({ port }) => {
    const careful = new OutboundClient({ resolve: () => Promise.resolve(["192.0.2.1", "127.0.0.1"]) });
    await assert.rejects(
      careful.request({ url: `http://many.example:${port}/`, ...LIMITS }),
      failed("private_address"),
    );
    careful.close();
  });
});

Deno.test("outbound: a client that is closed gives up what is under way, and makes no request any more", async () => {
  let served = 0;
  const answer = Promise.withResolvers<Response>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (request.url.endsWith("/slow")) return answer.promise;
    served++;
    return new Response();
  });
  const asked = Promise.withResolvers<void>(), found = Promise.withResolvers<readonly string[]>();
  const client = new OutboundClient({
    allowPrivate: true,
    resolve() {
      asked.resolve();
      return found.promise;
    },
  });
  const base = `http://127.0.0.1:${server.addr.port}`;
  const named = client.request({ ...LIMITS, url: `http://named.example:${server.addr.port}/` });
  const slow = client.request({ ...LIMITS, url: `${base}/slow` });
  await asked.promise;
  client.close();
  await assert.rejects(named, failed("aborted"));
  await assert.rejects(slow, failed("aborted"));
  await assert.rejects(client.request({ ...LIMITS, url: base }), failed("aborted"));
  found.resolve(["127.0.0.1"]);
  answer.resolve(new Response());
  await server.shutdown();
  assert.equal(served, 0);
});
