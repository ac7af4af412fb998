/** Yjs clients in a world in memory. */

import { openDocument } from "../../src/client/documents.ts";
import * as Y from "yjs";
import { SkeinClient } from "../../src/client/mod.ts";
import type { Cipher } from "../../src/client/documents/encryption.ts";
import { SkeinYjsProvider, type YjsProviderOptions } from "../../src/client/yjs.ts";
import { KeptOutbox, type World } from "../client/support.ts";

/** The document everybody edits. */
export const DOC = "doc:plan";

/** A user's device with a document in it. */
export class Device {
  readonly doc: Y.Doc;
  readonly outbox: KeptOutbox;
  readonly client: SkeinClient;
  readonly provider: SkeinYjsProvider;
  compacted = 0;

  constructor(
    readonly world: World,
    readonly user: string,
    options: YjsProviderOptions & {
      /** Of `World.cipher`. */
      key?: Cipher;
      doc?: Y.Doc;
      outbox?: KeptOutbox;
      /** Messages the outbox takes. */
      maxMessages?: number;
      clientID?: number;
    } = {},
  ) {
    const { key, doc = new Y.Doc(), outbox = new KeptOutbox(), maxMessages = 10_000, clientID, ...rest } =
      options;
    this.doc = doc;
    // Chosen by the test, so that a run can be repeated.
    if (clientID !== undefined) doc.clientID = clientID;
    this.outbox = outbox;
    this.client = new SkeinClient(
      world.options(user, {
        outbox: { storage: outbox, maxMessages },
        probing: { first: 300, max: 2000 },
        maxReconnectDelay: 2000,
        breaker: { failures: 1000 },
      }),
    );
    this.provider = new SkeinYjsProvider(
      openDocument(this.client, DOC, key === undefined ? {} : { key }),
      doc,
      { awareness: null, ...rest },
    );
    this.provider.on("compacted", () => this.compacted++);
  }

  get text(): string {
    return this.doc.getText("t").toString();
  }

  /** Inserts or deletes somewhere. */
  edit(at: number, insert: string, remove: number): void {
    const text = this.doc.getText("t");
    const place = text.length === 0 ? 0 : at % (text.length + 1);
    this.doc.transact(() => {
      const gone = Math.min(remove, text.length - place);
      if (gone > 0) text.delete(place, gone);
      if (insert !== "") text.insert(place, insert);
    });
  }

  async close(): Promise<void> {
    this.provider.destroy();
    await this.gone(1500);
  }

  /** Closes the client, and lets `ms` pass. */
  async gone(ms: number): Promise<void> {
    const closing = this.client.close();
    await this.world.clock.advance(ms);
    await closing;
  }
}

/** What the server keeps, put together as a newcomer would. */
export function serverText(world: World): string {
  const doc = new Y.Doc();
  const snapshot = world.engine.values.get({ channel: DOC, name: "snapshot" });
  if (snapshot?.data !== undefined) Y.applyUpdate(doc, snapshot.data);
  for (const { payload } of world.engine.log.read(DOC, { limit: 1e6 }).records) {
    Y.applyUpdate(doc, payload.data as Uint8Array);
  }
  return doc.getText("t").toString();
}
