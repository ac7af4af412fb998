/**
 * Clients in a world of their own, for tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ClientOptions, SkeinClient, type SkeinError } from "../../src/client/mod.ts";
import { World } from "./support.ts";

/** A client, what it was delivered and what it told. */
export function make(world: World, user = "ann", over: Partial<ClientOptions> = {}) {
  const client = new SkeinClient({ ...world.options(user, over), autoConnect: false });
  const got: string[] = [];
  const events: string[] = [];
  const errors: SkeinError[] = [];
  client.on("delivered", ({ text }) => got.push(text!));
  client.on("transportchange", ({ from, to }) => events.push(`${from}>${to}`));
  client.on("disconnected", ({ code }) => events.push(`disconnected ${code}`));
  client.on("discontinuity", ({ channel }) => events.push(`gap ${channel}`));
  client.on("migrated", ({ survived }) => events.push(survived ? "survived" : "migration failed"));
  client.on("error", (error) => errors.push(error));
  return { client, got, events, errors };
}

/** Connects, and lets time pass until it is. */
export async function connected(world: World, client: SkeinClient): Promise<void> {
  const connecting = client.connect();
  connecting.catch(() => {});
  await world.until(() => client.manager.isConnected());
  await connecting;
}

/** What `before` throws is why the server does not take a message now. */
export function refuse(
  world: World,
  before: (publication: { readonly channel: string; readonly payload: { readonly text?: string } }) => void,
): void {
  world.hub.addHook({ name: "refuses", before } as unknown as Parameters<typeof world.hub.addHook>[0]);
}

/** Runs a test in a world, and ends every client of it. */
export async function inWorld(
  test: (
    world: World,
    client: (user?: string, over?: Partial<ClientOptions>) => ReturnType<typeof make>,
  ) => Promise<void>,
): Promise<void> {
  const world = new World();
  const made: SkeinClient[] = [];
  try {
    await test(world, (user, over) => {
      const one = make(world, user, over);
      made.push(one.client);
      return one;
    });
  } finally {
    await Promise.all(made.map((client) => client.close()));
    await world.clock.advance(5000);
  }
  assert.equal(world.environment.watchers, 0);
  assert.equal(world.links.size, 0, "links are left open");
  assert.equal(world.clock.pending, 0, "timers are left");
}
