/**
 * A process that uploads files to a store, one after the other, and says what it was told: to be killed at any
 * moment. Arguments: the directory, and a number that its files begin with.
 *
 * @module
 */

import { DiskStore, LIMITS, OWN_ONLY, requestOf, sampleBytes } from "./support.ts";

const [directory, first] = Deno.args;
const store = new DiskStore({ directory: directory!, limits: () => ({ ...LIMITS, window: 200_000 }) });
const say = (line: Record<string, unknown>) =>
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(line) + "\n"));

for (let n = Number(first);; n++) {
  const bytes = sampleBytes(300_000, n);
  const upload = await store.start(requestOf(bytes), OWN_ONLY);
  say({ kind: "begun", n });
  upload.onWritten = (offset) => say({ kind: "written", n, offset });
  const pushed: Promise<void>[] = [];
  while (upload.offset < bytes.length) {
    const at = upload.offset;
    pushed.push(upload.push(at, bytes.slice(at, at + 20_000)));
    if (pushed.length % 5 === 0) await pushed.at(-1);
  }
  const file = await store.complete(upload, `m${n}`);
  say({ kind: "kept", n, fileId: file.fileId });
}
