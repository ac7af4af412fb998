/**
 * An isolate: one version of a function, loaded into a process of its own, and the calls in it.
 *
 * @module
 */

import * as v from "valibot";
import { deadline } from "../async/deadline.ts";
import { type Deferred, quietDeferred } from "../async/deferred.ts";
import { Underway } from "../async/underway.ts";
import type { ErrorReport } from "./child/errors.ts";
import type { Frame } from "./child/frames.ts";
import { type Call, FunctionError, type FunctionHost, type LogLine, type Outcome } from "./contract.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { type End, IsolateProcess } from "./process.ts";
import { closeScope, httpHead, type RequestScope, serveRequest } from "./requests.ts";
import type { Source } from "./source.ts";

/** How an isolate is made. */
export interface IsolateOptions {
  /** The function's name. */
  readonly name: string;
  readonly source: Source;
  readonly secrets: Readonly<Record<string, string>>;
  /** Most bytes resident. */
  readonly memory: number;
  /** Milliseconds until it has to be loaded. */
  readonly startTimeout: number;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
  /** Gets what calls ask for that are over, until it is done. */
  readonly asked: Underway;
  readonly host: FunctionHost;
  readonly log: (line: LogLine) => void;
}

/** Requests of one isolate that may be under way; those behind them wait in the pipe. */
const MAX_REQUESTS = 64;
/** Bytes of them, which the service holds until they are served. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** Milliseconds an isolate has to say that it cancelled a call: one that is in an endless loop never does. */
const CANCEL_GRACE = 250;

const report = v.object({
  message: v.string(),
  at: v.optional(v.string()),
  stack: v.optional(v.string()),
});
/** A line may stand for others that were dropped. */
const dropped = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0);
const level = v.picklist(["debug", "info", "warn", "error"]);

/** What a function said of itself, as it did and as it was read. */
export interface LoadedManifest {
  readonly said: unknown;
  readonly manifest: Manifest;
}

interface Running extends RequestScope {
  readonly controller: AbortController;
  readonly done: Deferred<Outcome>;
  stopTimer(): void;
  readonly serving: Underway;
}

/** A loaded function. */
export class Isolate {
  readonly #options: IsolateOptions;
  readonly #process: IsolateProcess;
  readonly #loaded = quietDeferred<LoadedManifest>();
  readonly #calls = new Map<number, Running>();
  /** Cancelled calls that the isolate has not confirmed, and their timers. */
  readonly #cancelled = new Map<number, ReturnType<typeof setTimeout>>();
  #lastCall = 0;
  #requests = 0;
  #requestBytes = 0;
  #requestDone: (() => void) | undefined;
  #end: End | undefined;
  #retired = false;
  #memory = 0;
  /** Called when its process ended and nobody had told it to. */
  onDeath: () => void = () => {};
  /** Called when a call is over. */
  onSettled: () => void = () => {};

  private constructor(options: IsolateOptions) {
    this.#options = options;
    this.#process = new IsolateProcess(options.memory, {
      frame: (frame) => this.#take(frame),
      ended: (end) => this.#ended(end),
    });
    const { name, secrets, source: { modules } } = options;
    this.#process.send({ t: "load", name, secrets, modules });
  }

  /** Starts one. Rejects with FunctionError `load`, `memory` or `crashed`; nothing of it is left then. */
  static async start(options: IsolateOptions): Promise<{ isolate: Isolate; loaded: LoadedManifest }> {
    const isolate = new Isolate(options);
    try {
      const loaded = await deadline(
        isolate.#loaded.promise,
        options.startTimeout,
        () => new FunctionError("load", `${options.name}.ts: not loaded within ${options.startTimeout} ms`),
        { signal: options.signal },
      );
      return { isolate, loaded };
    } catch (error) {
      isolate.kill();
      await isolate.over;
      throw error;
    }
  }

  /** Settles when its process is gone. */
  get over(): Promise<void> {
    return this.#process.over;
  }

  /** Calls under way. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Whether it takes calls. It does not once a call took too long: what that call began may still go on in it. */
  get usable(): boolean {
    return !this.#retired && this.#end === undefined;
  }

  /** Resident bytes as it last said; 0 when it has not. */
  get memory(): number {
    return this.#memory;
  }

  /** Calls the handler. Rejects with FunctionError within `timeout` milliseconds. */
  call({ event, body, depth = 0, answers, sink }: Call, timeout: number): Promise<Outcome> {
    const { name, host } = this.#options;
    if (this.#end !== undefined) return Promise.reject(new FunctionError(this.#end.kind, this.#end.message));
    const id = ++this.#lastCall;
    const controller = new AbortController();
    const done = quietDeferred<Outcome>();
    const timer = setTimeout(() => this.#late(id, timeout), timeout);
    this.#calls.set(id, {
      caller: { name, depth, signal: controller.signal },
      host,
      answers,
      sink,
      streams: new Map(),
      bodies: new Map(),
      controller,
      done,
      stopTimer: () => clearTimeout(timer),
      serving: new Underway(),
    });
    try {
      this.#process.send({ t: "call", id, event }, body);
    } catch (cause) {
      this.#settle(
        id,
        ({ reject }) => reject(new FunctionError("threw", `the event is too large: ${cause}`)),
      );
    }
    return done.promise;
  }

  /** Takes no more calls, and ends once those under way are over. */
  retire(): void {
    this.#retired = true;
    this.#endIfIdle();
  }

  /** Ends at once: calls under way are rejected with `end`. */
  kill(end: End = { kind: "busy", message: "it was stopped" }): void {
    this.#process.kill(end);
  }

  #take({ header, bytes }: Frame): void | Promise<void> {
    switch (header.t) {
      case "loaded":
        try {
          return this.#loaded.resolve({
            said: header.manifest,
            manifest: parseManifest(header.manifest, `${this.#options.name}.ts`),
          });
        } catch (error) {
          return this.#loaded.reject(error);
        }
      case "failed": {
        const error = reportOf(header.error);
        return this.#loaded.reject(new FunctionError("load", placed(error, this.#options.name), error));
      }
      case "done":
        return this.#done(header, bytes);
      case "threw": {
        const error = reportOf(header.error);
        const failure = new FunctionError("threw", placed(error, this.#options.name), error);
        return this.#settle(header.id as number, ({ reject }) => reject(failure));
      }
      case "ask":
        return this.#ask(header, bytes);
      case "cancelled":
        clearTimeout(this.#cancelled.get(header.id as number));
        this.#cancelled.delete(header.id as number);
        return this.#endIfIdle();
      case "log":
        return this.#options.log({
          level: v.parse(level, header.level),
          text: v.parse(v.string(), header.text),
          dropped: v.parse(dropped, header.dropped),
        });
      case "memory":
        this.#memory = v.parse(v.number(), header.bytes);
        return;
      // `broken`: what was sent to it has not come as it was sent.
      default:
        throw new Error("a frame of no known kind");
    }
  }

  #done(header: Frame["header"], bytes: Uint8Array<ArrayBuffer>): void {
    const { id, value, http } = header;
    if (http === undefined) return this.#settle(id as number, ({ resolve }) => resolve({ value }));
    const head = v.safeParse(httpHead, http);
    this.#settle(id as number, ({ resolve, reject }) => {
      if (head.success) resolve({ value, http: { ...head.output, body: bytes } });
      else reject(new FunctionError("threw", "the Response has no proper status or headers"));
    });
  }

  #ask(header: Frame["header"], bytes: Uint8Array<ArrayBuffer>): void | Promise<void> {
    const running = this.#calls.get(header.call as number);
    if (running === undefined) {
      return this.#process.send({ t: "answer", id: header.id, error: "the call is over" });
    }
    void this.#serve(running, header, bytes);
    if (this.#requests < MAX_REQUESTS && this.#requestBytes < MAX_REQUEST_BYTES) return;
    return new Promise((resolve) => this.#requestDone = resolve);
  }

  async #serve(running: Running, { id, op, args }: Frame["header"], bytes: Uint8Array<ArrayBuffer>) {
    this.#requests++;
    const size = bytes.length + sizeOf(args);
    this.#requestBytes += size;
    const { signal } = running.controller;
    const aborted = quietDeferred<never>();
    const abort = () => aborted.reject(new Error("the call is over"));
    signal.addEventListener("abort", abort);
    try {
      const served = running.serving.add(serveRequest(running, op, args, bytes));
      const answer = await Promise.race([served, aborted.promise]);
      this.#process.send({ t: "answer", id, value: answer.value }, answer.bytes);
    } catch (error) {
      const { message, code } = told(error);
      this.#process.send({ t: "answer", id, error: message, code });
    } finally {
      signal.removeEventListener("abort", abort);
      this.#requests--;
      this.#requestBytes -= size;
      this.#requestDone?.();
      this.#requestDone = undefined;
    }
  }

  /** A call has used up its time. */
  #late(id: number, timeout: number): void {
    this.#retired = true;
    this.#process.send({ t: "cancel", id });
    const grace = setTimeout(() => {
      this.#cancelled.delete(id);
      this.kill({ kind: "timeout", message: "another call in its isolate did not end" });
    }, CANCEL_GRACE);
    this.#cancelled.set(id, grace);
    const error = new FunctionError(
      "timeout",
      `${this.#options.name}.ts: no answer within ${Math.round(timeout)} ms`,
    );
    this.#settle(id, ({ reject }) => reject(error));
  }

  #settle(id: number, settle: (done: Deferred<Outcome>) => void): void {
    const running = this.#calls.get(id);
    if (running === undefined) return;
    this.#calls.delete(id);
    running.stopTimer();
    running.controller.abort();
    settle(running.done);
    void this.#options.asked.add(endScope(running));
    this.#endIfIdle();
    this.onSettled();
  }

  /** Ends a retired isolate in which nothing is under way any more. */
  #endIfIdle(): void {
    if (this.#retired && this.#calls.size === 0 && this.#cancelled.size === 0) this.kill();
  }

  #ended(end: End): void {
    this.#end = end;
    for (const timer of this.#cancelled.values()) clearTimeout(timer);
    this.#cancelled.clear();
    const error = new FunctionError(end.kind, `${this.#options.name}.ts: ${end.message}`);
    this.#loaded.reject(error);
    for (const id of [...this.#calls.keys()]) this.#settle(id, ({ reject }) => reject(error));
    if (end.kind !== "busy") this.onDeath();
  }
}

/** Ends what a call has left open, and what it has asked for: that may open something still. Never rejects. */
async function endScope(running: Running): Promise<void> {
  await closeScope(running);
  await running.serving.over();
  await closeScope(running);
}

/** About how many bytes the arguments of a request hold: texts are all that can be large. */
function sizeOf(args: unknown): number {
  const { content, text, value } = (args ?? {}) as { content?: unknown; text?: unknown; value?: unknown };
  const held = [content, text, value].filter((part) => part !== undefined);
  return held.length === 0 ? 0 : JSON.stringify(held).length;
}

function reportOf(given: unknown): ErrorReport {
  const { message, at, stack } = v.parse(report, given);
  return { message, ...at === undefined ? {} : { at }, ...stack === undefined ? {} : { stack } };
}

function placed({ message, at }: ErrorReport, name: string): string {
  return `${at ?? `${name}.ts`}: ${message}`;
}

/** What a function is told of an error of the service. */
function told(error: unknown): { message: string; code: string | undefined } {
  const { message, error: code } = error as { message?: unknown; error?: unknown };
  return {
    message: typeof message === "string" ? message : "failed",
    code: typeof code === "string" ? code : undefined,
  };
}
