/**
 * The thread of an isolate in which the function runs, without any permission.
 *
 * @module
 */

import type { Context, Definition, Event } from "../author/skein.ts";
import { type Ask, createContext, type Reply } from "./context.ts";
import { describeError, nameModule } from "./errors.ts";
import { encodeFrame, type Frame, FrameReader, joined } from "./frames.ts";
import { isolateGlobals } from "./globals.ts";
import { limitedLines } from "./lines.ts";
import { sendResponse } from "./response.ts";

/** A module of the function: its code in parts, between which the URLs of other modules belong. */
interface Module {
  readonly name: string;
  readonly json: boolean;
  readonly code: readonly (string | number)[];
}

interface Pending {
  readonly call: number;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** The lib of windows is in force, whose `postMessage` has another signature. */
const post = self.postMessage.bind(self) as (message: unknown, transfer?: Transferable[]) => void;
let waiting: Uint8Array<ArrayBuffer>[] = [];

/** Sends a frame, together with others of the same turn. */
function send(header: Record<string, unknown>, bytes?: Uint8Array): void {
  waiting.push(encodeFrame(header, bytes));
  if (waiting.length === 1) queueMicrotask(flush);
}

function flush(): void {
  const frames = waiting;
  waiting = [];
  if (frames.length === 0) return;
  const all = frames.length === 1 ? frames[0]! : joined(frames);
  post(all, [all.buffer]);
}

/** Calls under way: what cancels each. */
const calls = new Map<number, AbortController>();
/** What the service was asked for. */
const asked = new Map<number, Pending>();
let lastAsked = 0;
let definition: Definition | undefined;
let functionName = "";
let secrets: Readonly<Record<string, string>> = {};

function ask(call: number): Ask {
  return (op, args, bytes) => {
    if (!calls.has(call)) return Promise.reject(new Error(`${op}: the call is over`));
    const id = ++lastAsked;
    send({ t: "ask", id, call, op, args }, bytes);
    return new Promise((resolve, reject) => asked.set(id, { call, resolve, reject }));
  };
}

async function load(header: Frame["header"]): Promise<void> {
  functionName = header.name as string;
  secrets = header.secrets as typeof secrets;
  try {
    const urls: string[] = [];
    for (const { name, json, code } of header.modules as Module[]) {
      const text = code.map((part) => typeof part === "string" ? part : urls[part]).join("");
      const type = json ? "application/json" : "text/javascript";
      const url = URL.createObjectURL(new Blob([text], { type }));
      nameModule(url, name);
      urls.push(url);
    }
    // The URL of a blob that was made here: the service has checked what stands in it.
    // deno-lint-ignore rooms/imports
    const made = (await import(urls.at(-1)!)).default as Definition | undefined;
    if (typeof made?.handler !== "function") {
      throw new TypeError(
        "the default export has no handler: export default defineFunction({ handler ... })",
      );
    }
    definition = made;
    const { description, commands, on, timeout } = made;
    send({ t: "loaded", manifest: { description, commands, on, timeout } });
  } catch (error) {
    send({ t: "failed", error: describeError(error) });
  }
}

async function call({ header, bytes }: Frame): Promise<void> {
  const id = header.id as number;
  const controller = new AbortController();
  calls.set(id, controller);
  const event = header.event as Event;
  const requests = ask(id);
  const context: Context = createContext({
    name: functionName,
    event,
    secrets,
    signal: controller.signal,
    ask: requests,
  });
  try {
    const given = event.kind === "http" ? { ...event, body: bytes } : event;
    const value = await definition!.handler(given, context);
    if (value instanceof Response) await sendResponse(id, value, send, requests);
    else send({ t: "done", id, value });
  } catch (error) {
    send({ t: "threw", id, error: describeError(error) });
  }
  end(id);
}

function end(id: number): void {
  calls.delete(id);
  for (const [key, pending] of asked) {
    if (pending.call !== id) continue;
    asked.delete(key);
    pending.reject(new Error("the call is over"));
  }
}

function take(frame: Frame): void {
  const { header, bytes } = frame;
  switch (header.t) {
    case "load":
      return void load(header);
    case "call":
      return void call(frame);
    case "cancel": {
      const id = header.id as number;
      calls.get(id)?.abort(new DOMException("the call takes too long", "TimeoutError"));
      end(id);
      return send({ t: "cancelled", id });
    }
    case "answer": {
      const pending = asked.get(header.id as number);
      asked.delete(header.id as number);
      if (header.error === undefined) return pending?.resolve({ value: header.value, bytes });
      const error = new Error(header.error as string);
      return pending?.reject(Object.assign(error, { code: header.code }));
    }
  }
}

/** A line of the function. It leaves at once: the function may never come to an end of its turn. */
const log = limitedLines((level, text, dropped) => {
  send({ t: "log", level, text, dropped });
  flush();
});

/** What nobody caught is a line, too. */
function logStray(error: unknown): void {
  log("error", () => {
    const { at, message } = describeError(error);
    return `not caught: ${at ?? `${functionName}.ts`}: ${message}`;
  });
}

isolateGlobals(log);
const reader = new FrameReader();
self.addEventListener("message", ({ data }: MessageEvent<Uint8Array>) => {
  try {
    for (const frame of reader.push(data)) take(frame);
  } catch {
    // The function has meddled with what comes in: nothing that follows can be understood.
    send({ t: "broken" });
  }
});
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  logStray(event.reason);
});
self.addEventListener("error", (event) => {
  event.preventDefault();
  logStray(event.error);
});
post("ready");
