/** `serve` in a terminal: a pseudoterminal that the program `script` makes. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../src/client/mod.ts";
import { deadline } from "../../src/async/deadline.ts";
import { CLOSES } from "../../src/protocol/mod.ts";
import { testWith } from "../support/needs.ts";
import { inDirectory, MAIN, ROOT } from "./cli_support.ts";

const LONGEST = 60_000;

const SERVE = `${Deno.execPath()} run --no-prompt --quiet -A --config ${ROOT}deno.json ${MAIN}`;

/** `command` in a terminal of its own; `match` resolves with the first line that `pattern` matches. */
async function inTerminal(
  dir: string,
  command: string,
  body: (terminal: {
    match(pattern: RegExp): Promise<RegExpExecArray>;
    type(text: string): Promise<void>;
    /** Ends the program that holds the terminal: the terminal is gone. */
    close(): void;
    readonly ended: Promise<Deno.CommandStatus>;
  }) => Promise<void>,
): Promise<void> {
  const settings = {
    http: { port: 0 },
    quic: { port: 0 },
    engine: { kind: "memory" },
    drain: { deadline: "2s" },
  };
  await Deno.writeTextFile(`${dir}/skein.jsonc`, JSON.stringify(settings));
  const child = new Deno.Command("script", {
    args: ["-qefc", `exec ${command}`, "/dev/null"],
    cwd: dir,
    env: { NO_COLOR: "1", SHELL: "/bin/sh" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let output = "";
  let wake = () => {};
  const reading = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += chunk.replaceAll("\r", "");
      wake();
    }
  })();
  const input = child.stdin.getWriter();
  const abort = AbortSignal.timeout(LONGEST);
  abort.onabort = () => wake();
  try {
    await body({
      async match(pattern) {
        for (;;) {
          const found = pattern.exec(output);
          if (found !== null) return found;
          if (abort.aborted) throw new Error(`nothing like ${pattern} in:\n${output}`);
          await new Promise<void>((resolve) => wake = resolve);
        }
      },
      type: (text) => input.write(new TextEncoder().encode(text)),
      close: () => child.kill("SIGKILL"),
      ended: child.status,
    });
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await input.close().catch(() => {});
    await child.status;
    await reading;
    abort.onabort = null;
  }
}

async function serves(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://localhost:${port}/healthz`);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

testWith(
  ["script"],
  "serve: a terminal shows where the service is reached, on lines of their own",
  () =>
    inDirectory((dir) =>
      inTerminal(dir, SERVE, async ({ match, type, ended }) => {
        const [, port] = await match(/^\s+Page\s+http:\/\/localhost:(\d+)\/$/m);
        await match(new RegExp(`^\\s+Dashboard\\s+http://localhost:${port}/admin$`, "m"));
        await match(/^\s+QUIC\s+localhost:\d+ \(UDP\)$/m);
        await match(/^\s+Config\s+skein\.jsonc$/m);
        await match(/Development mode, not for the open internet/);
        assert.equal(await serves(Number(port)), true);
        // Ctrl-C, as the terminal passes it on.
        await type("\x03");
        assert.equal((await ended).code, 0);
      })
    ),
);

testWith(
  ["script"],
  "serve: closing the terminal ends the service",
  () =>
    inDirectory((dir) =>
      inTerminal(dir, SERVE, async ({ match, close }) => {
        const [, port] = await match(/http:\/\/localhost:(\d+)\/$/m);
        const client = new WebSocket(`ws://localhost:${port}/connection/websocket`);
        await new Promise((resolve) => client.onopen = resolve);
        const code = new Promise<number>((resolve) => client.onclose = ({ code }) => resolve(code));
        close();
        // It was shut down, and not just ended by the signal: its clients are told.
        assert.equal(await code, CLOSES.shutdown.code);
        const until = Date.now() + LONGEST;
        while (await serves(Number(port))) {
          assert.ok(Date.now() < until, "the service goes on without its terminal");
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })
    ),
);

testWith(
  ["script"],
  "serve: Ctrl-C under `deno task` tells the SDK of the drain, and ends its connection after it",
  () =>
    inDirectory(async (dir) => {
      await Deno.writeTextFile(`${dir}/deno.json`, JSON.stringify({ tasks: { start: SERVE } }));
      await inTerminal(dir, `${Deno.execPath()} task --quiet start`, async ({ match, type, ended }) => {
        const [, port] = await match(/http:\/\/localhost:(\d+)\/$/m);
        const answer = await fetch(`http://localhost:${port}/dev/token`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ user: "ann" }),
        });
        const { token } = await answer.json();
        const client = new SkeinClient({ url: `http://localhost:${port}`, token, enableQuic: false });
        await client.connect();
        const told = new Promise((resolve) => client.on("draining", resolve));
        const gone = new Promise<{ code: number }>((resolve) => client.on("disconnected", resolve));
        await type("\x03");
        await deadline(told, LONGEST, () => new Error("the client was not told of the drain"));
        assert.equal((await gone).code, CLOSES.shutdown.code);
        await client.close();
        await ended;
        await match(/ended/);
      });
    }),
);
