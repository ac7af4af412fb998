/** A document that is closed while it is at work. */

import assert from "node:assert/strict";
import { openDocument } from "../../src/client/documents.ts";
import { deferred } from "../../src/async/deferred.ts";
import { withService } from "./live.ts";

Deno.test("documents: a snapshot that is still being sealed when the document closes is not sent", () =>
  withService(async (place) => {
    const client = place.client("ann");
    try {
      await client.connect();
      const isSealing = deferred<void>(), gate = deferred<void>();
      const key = {
        async seal(kind: string, _channel: string, data: Uint8Array): Promise<Uint8Array> {
          if (kind === "snapshot") {
            isSealing.resolve();
            await gate.promise;
          }
          return data;
        },
        open: (_kind: string, _channel: string, data: Uint8Array) => Promise.resolve(data),
      };
      const document = openDocument(client, "doc:plan", { key });
      const isTold = new Promise<void>((resolve) => document.on("operation", () => resolve()));
      await document.send(new Uint8Array([1]));
      await isTold;
      const kept = document.snapshot(new Uint8Array([2]));
      await isSealing.promise;
      document.close();
      gate.resolve();
      // A wait for an answer that nobody hears would be a timer that outlives the client.
      await assert.rejects(kept, { error: "closed" });
    } finally {
      await client.close();
    }
  }));
