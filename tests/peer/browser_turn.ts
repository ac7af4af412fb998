/**
 * A TURN server for pages, and a service that tells of it.
 *
 * @module
 */

import { delay } from "../../src/async/deadline.ts";
import { type Place, startServer } from "../crash/server.ts";
import type { BrowserPage } from "../support/browsers.ts";
import { forget, joinPage, place, servePage, waitFor } from "./browser_support.ts";

/** An address of this machine that browsers use: they leave out loopback. */
export const OUTSIDE: string | undefined = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv4" && !address.startsWith("127.") && !address.startsWith("169.254.")
)?.address;
/** What tests with a TURN server lack here. */
export const TURN_LACKS: readonly string[] = OUTSIDE === undefined ? ["address that is not loopback"] : [];

const SECRET = "shared with coturn, for tests";

/** A coturn at `OUTSIDE`, which may be killed and started again. */
export class PageTurn implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  #child: Deno.ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
  }

  /** Runs it on a port that was free. */
  static async start(directory: string): Promise<PageTurn> {
    const probe = Deno.listen({ hostname: OUTSIDE!, port: 0 });
    const { port } = probe.addr;
    probe.close();
    const turn = new PageTurn(directory, port);
    await turn.start();
    return turn;
  }

  /** Starts it again, without anything that it knew. */
  async start(): Promise<void> {
    this.#child = new Deno.Command("turnserver", {
      args: [
        "-n",
        `--listening-port=${this.port}`,
        `--listening-ip=${OUTSIDE}`,
        `--relay-ip=${OUTSIDE}`,
        "--realm=pages.example",
        "--use-auth-secret",
        `--static-auth-secret=${SECRET}`,
        "--fingerprint",
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        `--userdb=${this.#directory}/turn.db`,
        `--pidfile=${this.#directory}/turn.pid`,
        "--log-file=stdout",
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0;; tries++) {
      try {
        return (await Deno.connect({ hostname: OUTSIDE!, port: this.port })).close();
      } catch (error) {
        if (tries > 200) throw error;
        await delay(50);
      }
    }
  }

  /** Every path over it is dead. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Two pages that have met in the document and show no address of theirs: every path between them is one of `turn`. */
export async function withRelayedPages(
  pages: readonly [BrowserPage, BrowserPage],
  run: (
    around: {
      turn: PageTurn;
      at: Place;
      service: { kill(): Promise<void>; start(): Promise<void> };
      origin: string;
      join: (page: BrowserPage) => Promise<void>;
    },
  ) => Promise<void>,
): Promise<void> {
  const at = await place();
  await using turn = await PageTurn.start(at.directory);
  const path = `${at.directory}/skein.jsonc`;
  const config = JSON.parse(await Deno.readTextFile(path));
  config.peers = { turn: [`turn:${OUTSIDE}:${turn.port}`], turnSecret: SECRET };
  await Deno.writeTextFile(path, JSON.stringify(config));
  await using page = await servePage();
  let life = await startServer(at);
  const service = { kill: () => life.kill(), start: async () => void (life = await startServer(at)) };
  const options = { url: `http://127.0.0.1:${at.port}`, token: at.token, peer: { relayOnly: true } };
  const join = (each: BrowserPage): Promise<void> => joinPage(each, page.origin, options);
  try {
    for (const each of pages) await join(each);
    for (const each of pages) await waitFor(each, "joined.paths[0] === 'relayed'");
    for (const each of pages) await waitFor(each, "joined.shared.peers.length === 1");
    for (const each of pages) await forget(each);
    await run({ turn, at, service, origin: page.origin, join });
  } finally {
    await life.kill();
    await Deno.remove(at.directory, { recursive: true });
  }
}
