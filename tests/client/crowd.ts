/**
 * Clients of the real service, for tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { startTestService, type TestService } from "../support/service.ts";

/** Clients of a test, closed at its end together with their service. */
export class Crowd implements AsyncDisposable {
  readonly #clients: SkeinClient[] = [];
  constructor(readonly service: TestService) {}

  join(user: string, over: Partial<ClientOptions> = {}): SkeinClient {
    const client = new SkeinClient({
      url: this.service.url,
      getToken: () => this.service.token(user),
      reconnectDelay: 100,
      probing: { first: 200, max: 500 },
      // On a busy machine a dial of QUIC takes longer than the default, and WebSocket would win.
      headStart: 10_000,
      ...over,
    });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.service.stop();
  }
}

/** A service and nobody there yet. */
export async function crowd(input: Parameters<typeof startTestService>[0] = {}): Promise<Crowd> {
  return new Crowd(
    await startTestService({
      ...input,
      session: { perIp: { connections: 1000, rate: 10_000, burst: 10_000 }, ...input.session },
    }),
  );
}

/** Waits until `test` holds; fails with `what` after `ms`. */
export async function until(what: string, test: () => boolean, ms = 60_000): Promise<void> {
  const end = Date.now() + ms;
  while (!test()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Both talk at once in a channel; `during` is called between messages. Everything has to come once and in order. */
export async function converse(
  ann: SkeinClient,
  bob: SkeinClient,
  count: number,
  during: (i: number) => Promise<void> | void,
): Promise<void> {
  const got: Record<string, string[]> = { ann: [], bob: [] };
  await ann.channel("chat:talk").subscribe(({ text }) => got.ann!.push(text!));
  await bob.channel("chat:talk").subscribe(({ text }) => got.bob!.push(text!));
  const receipts: Promise<{ offset: number }>[] = [];
  for (let i = 0; i < count; i++) {
    receipts.push(ann.channel("chat:talk").publish(`ann ${i}`));
    receipts.push(bob.channel("chat:talk").publish(`bob ${i}`));
    await during(i);
  }
  const offsets = (await Promise.all(receipts)).map(({ offset }) => offset);
  assert.equal(new Set(offsets).size, 2 * count);
  await until("everything has come", () => got.ann!.length >= 2 * count && got.bob!.length >= 2 * count);
  assert.deepEqual(got.ann, got.bob);
  for (const user of ["ann", "bob"]) {
    const own = got.ann!.filter((text) => text.startsWith(user));
    assert.deepEqual(own, Array.from({ length: count }, (_, i) => `${user} ${i}`));
  }
}

/** Waits. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
