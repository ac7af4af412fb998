/**
 * Several whole services in this process whose engines share one store: what a cluster looks like to its clients.
 *
 * @module
 */

import { SignJWT } from "jose";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import type { CarrierKind, TestClient } from "../support/client.ts";
import type { ConfigInput } from "../support/config.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { type CutEngine, cutEngine } from "./cut_engine.ts";

/** What signs the tokens of users. */
export const SECRET = "a secret of at least thirty-two bytes, for tests";
/** A key of the server API. */
export const API_KEY = "key-of-the-back-end-of-a-test";

/** A running node. */
export interface TestNode extends TestService {
  /** Kills it as far as the others can see: it is cut off from the store. Its sockets stay open, and say nothing new. */
  kill(): void;
}

/** Nodes on one store. */
export class Cluster implements AsyncDisposable {
  readonly nodes: TestNode[] = [];
  readonly store = new MemoryStore();
  readonly #directory: string;
  readonly #stopped = new Set<TestNode>();
  readonly #later: (() => Promise<void>) | undefined;

  private constructor(directory: string, later: (() => Promise<void>) | undefined) {
    this.#directory = directory;
    this.#later = later;
  }

  /**
   * Starts `count` nodes; `input` is what the configuration of each says. `later`: what answers of the store wait for.
   * @default they are there at once
   */
  static async start(count: number, input: ConfigInput = {}, later?: () => Promise<void>): Promise<Cluster> {
    const cluster = new Cluster(await Deno.makeTempDir({ prefix: "skein-nodes-" }), later);
    for (let i = 0; i < count; i++) await cluster.add(input);
    return cluster;
  }

  /** Starts one more. All have one certificate, so that clients may be sent from one to another. */
  async add(input: ConfigInput = {}): Promise<TestNode> {
    let cut: CutEngine | undefined;
    const service = await startTestService(
      {
        node: `n${this.nodes.length}`,
        auth: { keys: [{ alg: "HS256", secret: SECRET }] },
        api: { keys: [API_KEY] },
        certificates: { directory: this.#directory },
        ...input,
        session: { perIp: { connections: 10_000, rate: 100_000, burst: 100_000 }, ...input.session },
      },
      (_config, failed) =>
        Promise.resolve((cut = cutEngine({ store: this.store, failed }, this.#later)).engine),
    );
    const node: TestNode = { ...service, kill: () => cut!.cut() };
    this.nodes.push(node);
    return node;
  }

  /** Ends a node in good order. */
  async stop(node: TestNode): Promise<void> {
    this.#stopped.add(node);
    await node.stop();
  }

  /** Connects a user to a node. */
  async connect(
    node: TestNode,
    kind: CarrierKind,
    user: string,
    { claims = {}, resume }: { claims?: Record<string, unknown>; resume?: Record<string, unknown> } = {},
  ): Promise<TestClient> {
    const client = await node.dial(kind);
    await client.authenticate(await tokenOf(user, claims), resume);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.nodes.filter((node) => !this.#stopped.has(node));
    await Promise.all(running.map((node) => node.stop()));
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** A token that all nodes accept. */
export function tokenOf(
  user: string,
  claims: Record<string, unknown> = {},
  { secret = SECRET, kid }: { secret?: string; kid?: string } = {},
): Promise<string> {
  return new SignJWT({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
    .setProtectedHeader(kid === undefined ? { alg: "HS256" } : { alg: "HS256", kid })
    .sign(new TextEncoder().encode(secret));
}

/** Calls the server API of a node; the result, or what the error says. */
// deno-lint-ignore no-explicit-any
export async function api(node: TestNode, method: string, params: Record<string, unknown>): Promise<any> {
  const answer = await fetch(`${node.url}/api/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": API_KEY },
    body: JSON.stringify(params),
  });
  const body = await answer.json();
  return body.result ?? body.error;
}

/** The payload of the answer to `auth_request`. */
export function authOf(client: TestClient): Record<string, unknown> & { sessionId: string } {
  return client.messages.find(({ type }) => type === "auth_response")!.payload as
    & Record<string, unknown>
    & { sessionId: string };
}

/** Waits until `test` holds. */
export async function until(
  what: string,
  test: () => boolean | Promise<boolean>,
  ms = 60_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!await test()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
