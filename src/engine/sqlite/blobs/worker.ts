/**
 * The worker that writes and hashes large files, so that the thread with the connections does not have to. It answers the
 * calls of `WriterThread`.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { FileAppender } from "./file_appender.ts";

/** One call. `call` numbers it, for the answer; `file` is the number that `open` gave the file. */
export type Call = { readonly call: number; readonly file: number } & Request;

/** What is to be done. */
export type Request =
  | { readonly what: "open"; readonly path: string; readonly size: number }
  | { readonly what: "append"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly what: "finish" }
  | { readonly what: "close" };

/** The result of a call. */
export type Answer =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: { readonly name: string; readonly message: string } };

const files = new Map<number, FileAppender>();

async function answer(call: Call): Promise<unknown> {
  const { file: number } = call;
  if (call.what === "open") {
    const file = await FileAppender.open({ path: call.path, size: call.size, blocking: true });
    files.set(number, file);
    return file.there;
  }
  const file = files.get(number);
  if (file === undefined) throw new Error("the file is not open");
  switch (call.what) {
    case "append":
      return await file.append(call.bytes);
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
    // Errors of Deno lose their class when they are posted: the name is sent instead.
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    said = { call, error: { name, message } };
  }
  // The memory of an appended block is handed back, not copied.
  self.postMessage(said, "value" in said && said.value instanceof ArrayBuffer ? [said.value] : []);
};
