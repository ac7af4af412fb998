/** The README's programs and the examples, run as their readers run them. */

import assert from "node:assert/strict";
import { withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { testCertificate, within } from "./adapters.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const README = await Deno.readTextFile(`${ROOT}src/quic/README.md`);
const PATIENCE = 60_000;

/** The program of the README that names itself in its first line. */
function block(name: string): string {
  const found = [...README.matchAll(/^```\w+\n([\s\S]*?)^```/gm)].find(([, text]) =>
    text!.split("\n", 1)[0]!.includes(name)
  );
  assert.ok(found !== undefined, `no ${name} in the README`);
  return found[1]!;
}

interface Running extends AsyncDisposable {
  /** Resolves with the first match of all output so far. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  readonly output: string;
}

/** Runs a program and collects what it prints. */
function start(cwd: string, ...args: string[]): Running {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  let changed = Promise.withResolvers<void>();
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      changed.resolve();
      changed = Promise.withResolvers();
    }
  };
  const over = Promise.all([collect(child.stdout), collect(child.stderr), child.status]);
  let ended = false;
  void over.then(() => {
    ended = true;
    changed.resolve();
  });
  return {
    get output() {
      return output;
    },
    says: (pattern) =>
      within(
        (async () => {
          for (;;) {
            const match = pattern.exec(output);
            if (match !== null) return match;
            assert.ok(!ended, `ended without ${pattern}:\n${output}`);
            await changed.promise;
          }
        })(),
        PATIENCE,
      ),
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGKILL");
      await over;
    },
  };
}

/** Runs a program to its end. */
async function run(cwd: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(PATIENCE),
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(success, text + new TextDecoder().decode(stderr));
  return text;
}

const example = (name: string): string => `src/quic/examples/${name}.ts`;

/** A directory with the README's programs on a port of their own, and a certificate. */
async function readmeDirectory(): Promise<{ path: string; hash: string } & AsyncDisposable> {
  const { cert, key, hash } = await testCertificate();
  const path = await Deno.makeTempDir({ prefix: "quic-readme-" });
  const files = {
    "deno.json": JSON.stringify({
      unstable: ["net"],
      imports: { "@skein/client/quic": `${ROOT}src/quic/mod.ts` },
    }),
    "cert.pem": cert,
    "key.pem": key,
    "server.ts": block("server.ts").replace("4433", "0"),
    "client.ts": block("client.ts"),
  };
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${path}/${name}`, text);
  return {
    path,
    hash: hash.toHex(),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("readme: its server and its client talk by WebTransport and by raw QUIC", async () => {
  await using directory = await readmeDirectory();
  await using server = start(directory.path, "run", "-A", "--check", "server.ts");
  const [, port] = await server.says(/listening on 127\.0\.0\.1:(\d+)/);
  for (const [scheme, kind] of [["https", "webtransport"], ["quic", "quic"]]) {
    const said = await run(
      directory.path,
      "run",
      "-A",
      "--check",
      "client.ts",
      `${scheme}://127.0.0.1:${port}/`,
    );
    assert.match(said, /^hello\nround trip: [\d.]+ ms\n$/);
    await server.says(
      new RegExp(
        `${kind} from 127\\.0\\.0\\.1[\\s\\S]*ended: \\{ code: 0, reason: "thanks", by: "remote" \\}`,
      ),
    );
  }
});

testWith(["chromium"], "readme: its page talks to its server", async () => {
  await using directory = await readmeDirectory();
  await using server = start(directory.path, "run", "-A", "server.ts");
  const [, port] = await server.says(/listening on 127\.0\.0\.1:(\d+)/);
  const bundle = ["bundle", "--quiet", "--platform", "browser", `${ROOT}src/quic/browser.ts`];
  const library = await run(ROOT, ...bundle);
  const page = block("index.html").replace("4433", port!).replace(
    /"the 64 digits[^"]*"/,
    `"${directory.hash}"`,
  );
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const isPage = new URL(request.url).pathname === "/";
    return new Response(isPage ? page : library, {
      headers: { "content-type": isPage ? "text/html" : "text/javascript" },
    });
  });
  try {
    await withChromium(async (tab) => {
      await tab.goto(`http://127.0.0.1:${http.addr.port}/`);
      await tab.waitFor(`document.querySelector("#log").textContent === "hello from the page"`);
    });
  } finally {
    await http.shutdown();
  }
});

Deno.test("examples: the echo client gets back what it sends, by both kinds", async () => {
  await using server = start(ROOT, "run", "-A", example("echo_server"));
  for (const scheme of ["quic", "https"]) {
    const [, url, hash] = await server.says(new RegExp(`(${scheme}://\\S+) (\\w{64})`));
    const said = await run(ROOT, "run", "-A", example("echo_client"), url!, hash!, "some words");
    assert.match(said, /^stream: some words .*\ndatagram: some words\nround trip: [\d.]+ ms\n/);
  }
});

Deno.test("examples: the most urgent stream is through first", async () => {
  const said = await run(ROOT, "run", "-A", example("priorities"));
  const order = said.trim().split("\n").map((line) => / ms: (\w+)/.exec(line)![1]);
  assert.deepEqual(order, ["CRITICAL", "HIGH", "NORMAL", "LOW", "BACKGROUND"]);
});

Deno.test("examples: ten agents with ten streams each finish the job although one leaves", async () => {
  const said = await run(ROOT, "run", "-A", example("agents"));
  assert.match(said, /^17984 primes below 200000$/m);
  const streams = Number(/^10 agents took (\d+) streams$/m.exec(said)![1]);
  assert.ok(streams >= 200, "two hundred parts, and those of the one that left once more");
});

testWith(["chromium"], "examples: a page has streams, datagrams and a round trip in Chromium", async () => {
  await using server = start(ROOT, "run", "-A", example("page"), "0");
  const [, url] = await server.says(/Open (\S+) in a browser/);
  await withChromium(async (tab) => {
    await tab.goto(url!);
    await tab.waitFor(`/done|Error/.test(document.querySelector("#log").textContent)`);
    const log = await tab.evaluateText(`document.querySelector("#log").textContent`) as string;
    const lines = log.trim().split("\n");
    assert.deepEqual(lines.slice(0, 3).toSorted(), ["stream: are", "stream: independent", "stream: streams"]);
    assert.match(
      lines.slice(3).join("\n"),
      /^datagram: datagram\nround trip: [\d.]+ ms\nstreams closed: 3\ndone$/,
    );
  });
  await server.says(/session from http:\/\/127\.0\.0\.1:\d+\nsession ended: remote 0 thanks/);
});
