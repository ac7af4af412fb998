/**
 * Endpoints of webhooks for tests.
 *
 * @module
 */

import type { Endpoint } from "../../src/webhooks/mod.ts";
import { Webhook } from "../packages/standard_webhooks.ts";

/** Secrets that sign. */
export const SECRETS = [
  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
];

/** An endpoint with the defaults of the configuration. */
export function endpoint(over: Partial<Endpoint> = {}): Endpoint {
  return {
    name: "test",
    url: "http://127.0.0.1:9/",
    events: ["message"],
    channels: ["*"],
    methods: ["*"],
    secrets: [SECRETS[0]!],
    timeout: 3000,
    onFailure: "refuse",
    allowPrivate: true,
    concurrency: 4,
    batch: { size: 1, delay: 100 },
    retry: { attempts: 12, minDelay: 1000, maxDelay: 600_000, maxAge: 259_200_000 },
    queue: 100_000,
    deadLetters: 10_000,
    ...over,
  };
}

/** A request as an endpoint gets it. */
export interface Received {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** What a test's endpoint answers. */
export type Answer = (received: Received, request: Request) => Response | Promise<Response>;

/** A real endpoint, which checks signatures with the package of the standard's authors. */
export class TestEndpoint implements AsyncDisposable {
  /** Everything that came with a signature that is right, events of batches one by one. */
  readonly received: Received[] = [];
  /** Requests whose signature was wrong. */
  forged = 0;
  requests = 0;
  answer: Answer = () => new Response(null, { status: 204 });
  secret = SECRETS[0]!;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #port = 0;
  #stopping = new AbortController();

  constructor() {
    this.start();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hooks`;
  }

  /** Events of a type. */
  of(type: string): Received[] {
    return this.received.filter((event) => event.type === type);
  }

  /** Listens, on the port it had before. */
  start(): void {
    const { signal } = this.#stopping = new AbortController();
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: this.#port, signal, onListen() {} },
      (request) => this.#take(request),
    );
    this.#port = this.#server.addr.port;
  }

  /** Is dead: nobody listens. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    // Requests that hang do not end by themselves.
    this.#stopping.abort();
    await server?.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #take(request: Request): Promise<Response> {
    this.requests++;
    const body = await request.text();
    try {
      new Webhook(this.secret).verify(body, Object.fromEntries(request.headers));
    } catch {
      this.forged++;
      return new Response("the signature is wrong", { status: 401 });
    }
    const { type, timestamp, data } = JSON.parse(body);
    const id = request.headers.get("webhook-id")!;
    const received = { id, type, timestamp, data };
    const response = await this.answer(received, request);
    if (response.ok) this.received.push(...(type === "batch" ? data.events : [received]));
    return response;
  }
}
