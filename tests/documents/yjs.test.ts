/** Yjs over Skein: the provider. */

import assert from "node:assert/strict";
import * as Y from "yjs";
import { Known } from "../../src/client/yjs/known.ts";
import { World } from "../client/support.ts";
import { Device, DOC, serverText } from "./yjs_support.ts";

async function inWorld(run: (world: World, device: typeof make) => Promise<void>): Promise<void> {
  const world = new World();
  const devices: Device[] = [];
  const device: typeof make = (user, options) => {
    const one = new Device(world, user, options);
    devices.push(one);
    return one;
  };
  try {
    await run(world, device);
  } finally {
    for (const each of devices) await each.close();
  }
  assert.equal(world.clock.pending, 0, "timers are left");
}

declare function make(user: string, options?: ConstructorParameters<typeof Device>[2]): Device;

Deno.test("yjs: changes reach everybody, and a newcomer has all of them", () =>
  inWorld(async (world, device) => {
    const ann = device("ann"), bob = device("bob");
    await world.until(() => ann.provider.synced && bob.provider.synced);
    ann.edit(0, "hello", 0);
    bob.edit(0, "oh, ", 0);
    await world.until(() => ann.text.length === 9 && ann.text === bob.text);
    const cem = device("cem");
    await world.until(() => cem.provider.synced);
    assert.equal(cem.text, ann.text);
    await cem.provider.ready;
  }));

Deno.test("yjs: changes of one turn go as one operation", () =>
  inWorld(async (world, device) => {
    const ann = device("ann");
    await world.until(() => ann.provider.synced);
    for (const [at, letter] of [..."hello"].entries()) ann.edit(at, letter, 0);
    await world.until(() => world.engine.log.position(DOC).offset > 0);
    await world.clock.advance(500);
    assert.equal(world.engine.log.position(DOC).offset, 1);
    assert.equal(serverText(world), "hello");
  }));

Deno.test("yjs: what a document held before it was connected is sent, deletions too", () =>
  inWorld(async (world, device) => {
    const doc = new Y.Doc();
    doc.getText("t").insert(0, "kept locally");
    doc.getText("t").delete(0, 5);
    device("ann", { doc });
    await world.until(() => world.engine.log.position(DOC).offset > 0);
    assert.equal(serverText(world), "locally");
    const bob = device("bob");
    await world.until(() => bob.text === "locally");
  }));

Deno.test("yjs: a client that was away gets only what it missed", () =>
  inWorld(async (world, device) => {
    const ann = device("ann"), bob = device("bob");
    await world.until(() => ann.provider.synced && bob.provider.synced);
    for (let i = 0; i < 30; i++) {
      ann.edit(0, "x", 0);
      await world.clock.advance(50);
    }
    await world.until(() => bob.text.length === 30);
    const got: number[] = [];
    bob.provider.document.on("operation", ({ offset }) => got.push(offset));
    const resets: unknown[] = [];
    bob.provider.document.on("reset", () => resets.push(1));
    world.cut();
    ann.edit(0, "y", 0);
    await world.until(() => bob.text.length === 31);
    assert.deepEqual([got, resets], [[31], []]);
  }));

Deno.test("yjs: offline changes of several clients merge, and a service that lost everything gets all of it back", () =>
  inWorld(async (world, device) => {
    const ann = device("ann"), bob = device("bob");
    await world.until(() => ann.provider.synced && bob.provider.synced);
    ann.edit(0, "base ", 0);
    await world.until(() => bob.text === "base ");
    world.kill();
    ann.edit(99, "ann ", 0);
    bob.edit(99, "bob ", 0);
    await world.clock.advance(3000);
    assert.equal(ann.provider.synced, false);
    Object.assign(world, { engine: new World().engine });
    world.start();
    await world.until(() => ann.text === bob.text && ann.text.length === 13);
    await world.until(() => serverText(world) === ann.text);
    const cem = device("cem");
    await world.until(() => cem.text === ann.text);
  }));

Deno.test("yjs: deletions for which the outbox had no room are made up for once there is a connection", () =>
  inWorld(async (world, device) => {
    const ann = device("ann", { maxMessages: 2 }), bob = device("bob");
    await world.until(() => ann.provider.synced && bob.provider.synced);
    ann.edit(0, "one two three", 0);
    await world.until(() => bob.text === "one two three");
    world.kill();
    for (let i = 0; i < 6; i++) {
      ann.edit(0, "", 1);
      await world.clock.advance(10);
    }
    assert.deepEqual([ann.text, ann.client.manager.pending], ["o three", 2]);
    world.start();
    await world.until(() => bob.text === "o three");
    assert.equal(serverText(world), "o three");
  }));

Deno.test("yjs: what comes together is one transaction, and neither an unreadable change nor a failing observer harms the others", async () => {
  const error = console.error;
  const said: unknown[] = [];
  console.error = (what: unknown) => void said.push(what);
  try {
    await inWorld(async (world, device) => {
      const ann = device("ann"), bob = device("bob");
      await world.until(() => ann.provider.synced && bob.provider.synced);
      for (let i = 0; i < 30; i++) {
        ann.edit(i, "x", 0);
        if (i === 10) void ann.provider.document.send(new Uint8Array([1, 2, 3]));
        await world.clock.advance(20);
      }
      await world.until(() => bob.text.length === 30);
      const cem = device("cem");
      let transactions = 0;
      cem.doc.on("afterTransaction", () => transactions++);
      cem.doc.getText("t").observe(() => {
        throw new Error("an observer's");
      });
      await world.until(() => cem.provider.synced);
      assert.equal(cem.text, ann.text);
      assert.ok(transactions < 10, `${transactions} transactions`);
    });
  } finally {
    console.error = error;
  }
  for (const what of ["cannot be read", "observer"]) {
    assert.ok(said.some((each) => String(each).includes(what)), String(said));
  }
});

Deno.test("yjs: snapshots are made by one client after so many operations, and newcomers begin with them", () =>
  inWorld(async (world, device) => {
    const ann = device("ann", { compactAfter: 10 }), bob = device("bob", { compactAfter: 10 });
    await world.until(() => ann.provider.synced && bob.provider.synced);
    for (let i = 0; i < 35; i++) {
      (i % 2 === 0 ? ann : bob).edit(i, `${i}`, 0);
      await world.clock.advance(60);
    }
    await world.until(() => ann.text === bob.text);
    assert.equal(ann.compacted + bob.compacted, 3);
    assert.equal(world.engine.values.get({ channel: DOC, name: "snapshot" })!.at!.offset, 30);
    const cem = device("cem");
    let came = 0;
    cem.provider.document.on("operation", () => came++);
    await world.until(() => cem.provider.synced);
    assert.deepEqual([cem.text, came], [ann.text, 5]);
  }));

Deno.test("yjs: a paste that is larger than a message arrives whole", () =>
  inWorld(async (world, device) => {
    const ann = device("ann"), bob = device("bob");
    await world.until(() => ann.provider.synced && bob.provider.synced);
    const large = "lorem ipsum ".repeat(20_000);
    ann.edit(0, large, 0);
    await world.until(() => bob.text === large);
    const compacting = ann.provider.compact();
    await world.clock.advance(1000);
    assert.equal(await compacting, true);
    const cem = device("cem");
    await world.until(() => cem.text === large);
  }));

Deno.test("yjs: who is there is known to all, also to newcomers, and those who leave are gone", () =>
  inWorld(async (world, device) => {
    const [ann, bob] = ["ann", "bob"].map((user) => {
      const made = new Device(world, user, { awareness: undefined as never });
      return made;
    }) as [Device, Device];
    try {
      ann.provider.awareness!.setLocalStateField("name", "ann");
      await world.until(() => ann.provider.synced && bob.provider.synced);
      bob.provider.awareness!.setLocalStateField("name", "bob");
      const names = (device: Device) =>
        [...device.provider.awareness!.getStates().values()].map(({ name }) => name).filter(Boolean).sort();
      for (const each of [ann, bob]) await world.until(() => names(each).join() === "ann,bob");
      ann.provider.destroy();
      await world.until(() => names(bob).join() === "bob");
      world.kill();
      await world.until(() => !bob.provider.synced);
    } finally {
      await ann.close();
      await bob.close();
    }
    void device;
  }));

Deno.test("yjs: after an interruption everybody is seen again, though nobody has done anything", async () => {
  const world = new World();
  const crowd = ["ann", "bob"].map((user) => new Device(world, user, { awareness: undefined as never }));
  const seen = () =>
    crowd.map(({ provider }) =>
      [...provider.awareness!.getStates().values()].map(({ name }) => name).sort().join()
    );
  try {
    for (const { user, provider } of crowd) provider.awareness!.setLocalStateField("name", user);
    await world.until(() => seen().every((names) => names === "ann,bob"));
    world.cut();
    await world.until(() => seen().every((names) => !names.includes(",")));
    await world.until(() => seen().every((names) => names === "ann,bob"), 5000);
  } finally {
    for (const each of crowd) await each.close();
  }
});

Deno.test("yjs: of many who open a document at once each is told of all others, and each tells of itself a few times", async () => {
  const world = new World();
  let told = 0;
  const signal = world.engine.log.publishEphemeral.bind(world.engine.log);
  world.engine.log.publishEphemeral = (channel, signalled) => {
    if (signalled.type === "doc_awareness") told++;
    signal(channel, signalled);
  };
  const crowd = Array.from(
    { length: 24 },
    (_, i) => new Device(world, `user${i}`, { awareness: undefined as never }),
  );
  try {
    for (const { user, provider } of crowd) provider.awareness!.setLocalStateField("name", user);
    await world.until(() => crowd.every(({ provider }) => provider.synced));
    await world.until(() => crowd.every(({ provider }) => provider.awareness!.getStates().size === 24));
    await world.clock.advance(1000);
    assert.ok(told <= 4 * 24, `${told} messages`);
  } finally {
    for (const each of crowd) await each.close();
  }
  assert.equal(world.clock.pending, 0, "timers are left");
});

Deno.test("yjs: a snapshot that drops what others wrote is made up for by a client that has it and opens the document anew", () =>
  inWorld(async (world, device) => {
    const ann = device("ann");
    await world.until(() => ann.provider.synced);
    ann.edit(0, "what ann wrote", 0);
    await world.until(() => serverText(world) === "what ann wrote");
    const eve = device("eve");
    await world.until(() => eve.provider.synced);
    // Opaque to the server, and no Yjs at all.
    const replacing = eve.provider.document.snapshot(new Uint8Array([255, 1, 2, 3]));
    await world.clock.advance(500);
    assert.equal(await replacing, true);
    const bob = device("bob");
    await world.until(() => bob.provider.synced);
    assert.equal(bob.text, "", "it is gone for those who come");
    const doc = new Y.Doc();
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(ann.doc));
    device("ann", { doc });
    await world.until(() => bob.text === "what ann wrote");
    const cem = device("cem");
    await world.until(() => cem.text === "what ann wrote");
  }));

Deno.test("yjs: what is missing at the server is counted from updates alone", () => {
  const doc = new Y.Doc(), known = new Known();
  const updates: Uint8Array[] = [];
  doc.on("update", (update) => updates.push(update));
  for (const letter of "abc") doc.getText("t").insert(0, letter);
  assert.ok(known.missing(doc) !== undefined);
  known.add(updates[0]!);
  // The second one is missing before it.
  known.add(updates[2]!);
  const rest = known.missing(doc)!;
  known.add(rest);
  assert.equal(known.missing(doc), undefined);
  const other = new Y.Doc();
  Y.applyUpdate(other, updates[0]!);
  Y.applyUpdate(other, rest);
  assert.equal(other.getText("t").toString(), "cba");
  known.clear();
  assert.ok(known.missing(doc) !== undefined);
});
