/**
 * The thread that writes and hashes large files, so that the one which serves connections does not. Answers the calls
 * of `WriterThread`.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { PartialFile } from "./partial_file.ts";

/** What is asked of the thread; `call` comes back with the answer, `file` is what `open` was given. */
export type Call = { readonly call: number; readonly file: number } & Request;

/** One of them. */
export type Request =
  | { readonly what: "open"; readonly path: string; readonly size: number }
  | { readonly what: "append"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly what: "prepare" }
  | { readonly what: "finish" }
  | { readonly what: "close" };

/** What became of a call. */
export type Answer =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: { readonly name: string; readonly message: string } };

const files = new Map<number, PartialFile>();

async function answer(call: Call): Promise<unknown> {
  const { file: number } = call;
  if (call.what === "open") {
    const file = await PartialFile.open({ path: call.path, size: call.size, blocking: true });
    files.set(number, file);
    return file.there;
  }
  const file = files.get(number);
  if (file === undefined) throw new Error("a file that is not open");
  switch (call.what) {
    case "append":
      return await file.append(call.bytes);
    case "prepare":
      return await file.prepare();
    case "finish":
      return await file.finish();
    case "close":
      files.delete(number);
      return await file.close();
  }
}

self.onmessage = async ({ data }: MessageEvent<Call>) => {
  const { call } = data;
  let said: Answer;
  try {
    said = { call, value: await answer(data) };
  } catch (error) {
    // What Deno throws loses its class on the way between threads.
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    said = { call, error: { name, message } };
  }
  // Memory that was given goes back.
  self.postMessage(said, "value" in said && said.value instanceof ArrayBuffer ? [said.value] : []);
};
