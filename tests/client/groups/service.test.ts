/** Groups on all transports, over cuts and restarts, and what the service has of them: no key and no word. */

import assert from "node:assert/strict";
import { fileGroupStorage, type MemoryGroupStorage } from "../../../src/client/groups.ts";
import { secretFile } from "../../../src/client/native.ts";
import { TRANSPORTS, withService } from "../../documents/live.ts";
import { agree, GroupDevice, type Shared, until } from "./support.ts";

const PLAN = "doc:plan";

function text({ doc }: Shared): string {
  return doc.getText("t").toString();
}

Deno.test("groups: members on all transports agree through a restart of the service", () =>
  withService(async (place) => {
    const devices: GroupDevice[] = [];
    try {
      for (const [i, over] of TRANSPORTS.entries()) {
        devices.push(await GroupDevice.open(place, `u${i}`, { over }));
      }
      const [first] = devices;
      const group = await first!.groups.create(PLAN);
      await Promise.all(devices.slice(1).map(({ user }) => group.invite(user)));
      const groups = await Promise.all(devices.map(({ groups }) => groups.group(PLAN)));
      await Promise.all(groups.map(({ ready }) => ready));
      const shared = devices.map((device, i) => device.share(groups[i]!));
      await Promise.all(shared.map(({ provider }) => provider.ready));
      shared.forEach(({ doc }, i) => doc.getText("t").insert(0, `${i};`));
      await place.restart();
      await Promise.all(groups.map((each) => each.renew()));
      shared.forEach(({ doc }, i) => doc.getText("t").insert(0, `again ${i};`));
      await agree(groups);
      await until("all have all of it", () => {
        const [all, ...others] = shared.map(text);
        return others.every((other) => other === all) && all!.length === 4 * "0;again 0;".length;
      });
      const errors = shared.flatMap(({ errors }) => errors);
      assert.deepEqual(errors.filter((error) => /branch|not sealed by a member/.test(error)), []);
    } finally {
      for (const device of devices) await device[Symbol.asyncDispose]();
    }
  }));

/** All that goes through the sockets of a client, both ways. */
function recorder(): { WebSocket: typeof WebSocket; recorded: string[] } {
  const recorded: string[] = [];
  class Recording extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("message", ({ data }) => recorded.push(latin1(data)));
    }
    override send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
      recorded.push(latin1(data));
      super.send(data as string);
    }
  }
  return { WebSocket: Recording, recorded };
}

function latin1(data: unknown): string {
  if (typeof data === "string") return data;
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data as ArrayBuffer);
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** How bytes may look in what is searched: as they are, and in base64 wherever they begin. */
function looks(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const text = new Uint8Array([...new Uint8Array(shift), ...bytes]).toBase64();
    const inner = text.slice(shift === 0 ? 0 : 4, -4);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  }).concat(latin1(bytes));
}

/** The secrets of a device: all that its storage has of private keys and epochs, each as bytes. */
function secretsOf({ values }: MemoryGroupStorage): Uint8Array[] {
  const found: Uint8Array[] = [];
  const collect = (value: unknown, key: string): void => {
    if (typeof value === "string" && ["init", "leaf", "content"].includes(key)) {
      found.push(Uint8Array.fromBase64(value, { alphabet: "base64url" }).slice(-32));
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) collect(inner, name);
    }
  };
  for (const [name, bytes] of values) {
    if (name === "identity") found.push(bytes.slice(-32));
    else collect(JSON.parse(new TextDecoder().decode(bytes)), name);
  }
  return found;
}

async function filesIn(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (isFile) found.push(latin1(await Deno.readFile(`${directory}/${name}`)));
  }
  return found;
}

Deno.test("groups: the service keeps, logs and carries no word and no key of a group", () =>
  withService(async (place) => {
    const { WebSocket, recorded } = recorder();
    const over = { enableQuic: false, WebSocket };
    await using ann = await GroupDevice.open(place, "ann", { over });
    await using bob = await GroupDevice.open(place, "bob", { over });
    const group = await ann.groups.create(PLAN);
    await group.invite("bob");
    const theirs = await bob.groups.group(PLAN);
    await theirs.ready;
    const mine = ann.share(group), other = bob.share(theirs);
    const word = "xylophone-marmalade";
    mine.doc.getText("t").insert(0, word);
    mine.provider.awareness!.setLocalStateField("name", `${word}-cursor`);
    await until("it comes", () => text(other) === word);
    // None is made before the own operation has come back, which may be later than the other one has it.
    await until("a snapshot is made", () => {
      void mine.provider.compact();
      return recorded.some((said) => said.includes('"doc_snapshot"'));
    });
    await group.renew();
    mine.doc.getText("t").insert(0, `${word}-again `);
    await until("it comes", () => text(other).includes("again"));
    const { lines } = place.service;
    const everything = [...recorded, JSON.stringify(lines), ...await filesIn(place.directory)].join("\n");
    assert.ok(recorded.length > 20 && lines.length > 0);
    assert.ok(everything.split("doc:plan~group").length > 10, "it is searched where the group is");
    const secrets = [ann, bob].flatMap(({ storage }) => secretsOf(storage as MemoryGroupStorage));
    assert.ok(secrets.length > 50);
    for (const secret of [new TextEncoder().encode(word), ...secrets]) {
      for (const look of looks(secret)) assert.ok(!everything.includes(look), "a word or a key is there");
    }
  }));

Deno.test("groups: keys in a file are only their owner's, and the device is the same after a restart", () =>
  withService(async (place) => {
    const path = `${place.directory}/groups.json`;
    const storage = () => fileGroupStorage(secretFile(path));
    await using ann = await GroupDevice.open(place, "ann");
    const group = await ann.groups.create(PLAN);
    let device: string | undefined;
    for (let round = 0; round < 2; round++) {
      await using bob = await GroupDevice.open(place, "bob", { storage: storage() });
      device ??= bob.groups.device;
      assert.equal(bob.groups.device, device);
      if (round === 0) await group.invite("bob");
      const theirs = await bob.groups.group(PLAN);
      await theirs.ready;
      await group.renew();
      await agree([group, theirs]);
    }
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    // Another user's client does not take them for its own.
    await assert.rejects(GroupDevice.open(place, "eve", { storage: storage() }), { error: "storage" });
  }));

Deno.test("groups: a chat has a group, too, and forgotten epochs are not in the storage any more", () =>
  withService(async (place) => {
    await using ann = await GroupDevice.open(place, "ann", { keepKeys: 0 });
    await using bob = await GroupDevice.open(place, "bob");
    const group = await ann.groups.create("chat:secret");
    await group.invite("bob");
    const theirs = await bob.groups.group("chat:secret");
    await theirs.ready;
    const heard: Uint8Array[] = [];
    const chat = bob.client.channel("chat:secret");
    await chat.subscribe(({ data }) => void heard.push(data as Uint8Array));
    await group.renew();
    const said = new TextEncoder().encode("hello");
    const data = await group.cipher.seal("operation", "chat:secret", said);
    await ann.client.channel("chat:secret").publish({ data });
    await until("it comes", () => heard.length === 1);
    assert.deepEqual(await theirs.cipher.open("operation", "chat:secret", heard[0]!), said);
    // A document's snapshot makes its earlier keys needless.
    const plan = await ann.groups.create(PLAN);
    const mine = ann.share(plan);
    const epochs = async () => {
      const kept = JSON.parse(new TextDecoder().decode(await ann.storage.get(`group/${PLAN}`)));
      return kept.ledger.epochs.map(({ epoch }: { epoch: number }) => epoch);
    };
    mine.doc.getText("t").insert(0, "a");
    for (let i = 0; i < 3; i++) await plan.renew();
    assert.deepEqual(await epochs(), [0, 1, 2, 3]);
    mine.doc.getText("t").insert(0, "b");
    await until("a snapshot is made", () => mine.provider.compact());
    await plan.renew();
    await until("older keys are forgotten", async () => (await epochs())[0] === 3);
  }));
