/**
 * A function: its version in force, the isolate that has it, and the calls that wait for it.
 *
 * @module
 */

import { quietDeferred } from "../async/deferred.ts";
import { Underway } from "../async/underway.ts";
import { type Call, FunctionError, type FunctionHost, type LogLine, type Outcome } from "./contract.ts";
import { Isolate } from "./isolate.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Slot, Slots } from "./slots.ts";
import type { Source } from "./source.ts";

/** Limits of functions. Times in milliseconds, memory in bytes. */
export interface FunctionLimits {
  /** Of a call, when the function says nothing. */
  readonly timeout: number;
  /** Of a call, at most. */
  readonly maxTimeout: number;
  /** Until a version has to be loaded. */
  readonly startTimeout: number;
  /** Resident bytes of an isolate. */
  readonly memory: number;
  /** Calls of one function at once. */
  readonly concurrency: number;
  /** Calls of one function that wait. */
  readonly queue: number;
  /** After which time without a call an isolate is stopped. */
  readonly idle: number;
}

/** What functions need of what surrounds them. */
export interface FunctionParts {
  readonly limits: () => FunctionLimits;
  readonly slots: Slots;
  readonly host: FunctionHost;
  readonly log: (name: string, line: LogLine) => void;
  /** Told how long a start took. */
  readonly started: (milliseconds: number) => void;
}

interface Version {
  readonly source: Source;
  readonly manifest: Manifest;
  readonly secrets: Readonly<Record<string, string>>;
}

interface Running {
  readonly isolate: Isolate;
  readonly slot: Slot;
  lastUsed: number;
}

/** Milliseconds a function rests after its isolate died, doubled each time. */
const REST = 250;
const MAX_REST = 30_000;

/** One function, in whatever version. */
export class DeployedFunction {
  readonly name: string;
  readonly #parts: FunctionParts;
  #version: Version | undefined;
  #running: Running | undefined;
  #starting: Promise<Isolate> | undefined;
  #active = 0;
  readonly #queue: { admit(): void; refuse(error: FunctionError): void }[] = [];
  /** Deaths of isolates without a good call between them. */
  #deaths = 0;
  #restUntil = -Infinity;
  #closed = false;
  /** Ends starts that are under way. */
  readonly #over = new AbortController();
  /** Starts that are under way. */
  readonly #starts = new Underway();
  /** What calls that are over have asked for, and what they have left open. */
  readonly #asked = new Underway();
  /** Isolates of earlier versions, too. */
  readonly #isolates = new Set<Isolate>();

  constructor(name: string, parts: FunctionParts) {
    this.name = name;
    this.#parts = parts;
  }

  /** What the version in force is called for. */
  get manifest(): Manifest | undefined {
    return this.#version?.manifest;
  }

  /** The hash of the source in force. */
  get hash(): string | undefined {
    return this.#version?.source.hash;
  }

  /** Figures for operators. */
  get status() {
    return {
      active: this.#active,
      waiting: this.#queue.length,
      isolates: this.#isolates.size,
      memory: this.#running?.isolate.memory ?? 0,
    };
  }

  /**
   * Puts another version in force once it is loaded; calls under way end on the one before. Resolves with what it says of
   * itself, to be given as `said` when the same source is loaded another time: then it is started when it is called.
   * Rejects with FunctionError, and then nothing has changed.
   */
  async load(source: Source, secrets: Readonly<Record<string, string>>, said?: unknown): Promise<unknown> {
    if (said !== undefined) {
      this.#replace({ source, manifest: parseManifest(said, `${this.name}.ts`), secrets });
      return said;
    }
    const slot = await this.#slot();
    const { isolate, loaded } = await this.#start(source, secrets, slot);
    if (this.#closed) {
      isolate.kill();
      return loaded.said;
    }
    this.#replace({ source, manifest: loaded.manifest, secrets }, { isolate, slot });
    return loaded.said;
  }

  #replace(version: Version, loaded?: { isolate: Isolate; slot: Slot }): void {
    const before = this.#running;
    this.#version = version;
    this.#running = undefined;
    this.#deaths = 0;
    this.#restUntil = -Infinity;
    if (loaded !== undefined) this.#adopt(loaded.isolate, loaded.slot);
    before?.isolate.retire();
  }

  /** Calls the handler. Rejects with FunctionError. */
  async call(call: Call): Promise<Outcome> {
    const version = this.#version;
    if (version === undefined || this.#closed) {
      throw new FunctionError("unknown", `no function is called ${this.name}`);
    }
    const { timeout, maxTimeout } = this.#parts.limits();
    const most = Math.min(call.timeout ?? Infinity, version.manifest.timeout ?? timeout, maxTimeout);
    const until = performance.now() + most;
    await this.#admit(most);
    try {
      const isolate = this.#ready() ?? await this.#inTime(this.#obtain(), until);
      const outcome = await isolate.call(call, Math.max(1, until - performance.now()));
      this.#deaths = 0;
      return outcome;
    } finally {
      this.#active--;
      if (this.#running !== undefined) this.#running.lastUsed = performance.now();
      this.#queue.shift()?.admit();
      if (this.#active === 0) this.#parts.slots.makeRoom();
    }
  }

  /** Stops an isolate without calls, or one that was idle for long. */
  sweep(now: number): void {
    const running = this.#running;
    if (running === undefined || running.isolate.calls > 0 || this.#active > 0) return;
    if (now - running.lastUsed > this.#parts.limits().idle) running.isolate.retire();
  }

  /**
   * Takes no more calls. Resolves once those under way are over, which have `patience` milliseconds, and what they asked
   * for is done.
   */
  async close(patience: number): Promise<void> {
    this.#closed = true;
    for (const { refuse } of this.#queue.splice(0)) {
      refuse(new FunctionError("busy", `${this.name} is being stopped`));
    }
    this.#over.abort(new FunctionError("busy", `${this.name} is being stopped`));
    await this.#starts.over();
    const isolates = [...this.#isolates];
    for (const isolate of isolates) isolate.retire();
    const timer = setTimeout(() => isolates.forEach((isolate) => isolate.kill()), patience);
    await Promise.all(isolates.map(({ over }) => over));
    clearTimeout(timer);
    await this.#asked.over();
  }

  /** Waits until fewer than `concurrency` calls are under way. */
  async #admit(most: number): Promise<void> {
    const { concurrency, queue } = this.#parts.limits();
    if (this.#active < concurrency && this.#queue.length === 0) return void this.#active++;
    if (this.#queue.length >= queue) {
      throw new FunctionError("busy", `${this.name}: ${queue} calls wait already`);
    }
    const turn = quietDeferred<void>();
    const entry = { admit: () => turn.resolve(), refuse: turn.reject };
    this.#queue.push(entry);
    const timer = setTimeout(() => {
      const at = this.#queue.indexOf(entry);
      if (at >= 0) this.#queue.splice(at, 1);
      turn.reject(new FunctionError("timeout", `${this.name}: waited ${Math.round(most)} ms for its turn`));
    }, most);
    try {
      await turn.promise;
      this.#active++;
    } finally {
      clearTimeout(timer);
    }
  }

  #ready(): Isolate | undefined {
    const running = this.#running;
    return running?.isolate.usable ? running.isolate : undefined;
  }

  /** An isolate of the version in force; starts one when there is none. */
  async #obtain(): Promise<Isolate> {
    const rest = this.#restUntil - performance.now();
    if (rest > 0) {
      throw new FunctionError(
        "crashed",
        `${this.name} died ${this.#deaths} times and starts again in ${Math.ceil(rest)} ms`,
      );
    }
    return await (this.#starting ??= this.#startAgain().finally(() => this.#starting = undefined));
  }

  async #startAgain(): Promise<Isolate> {
    const slot = await this.#slot();
    const version = this.#version!;
    const { source, secrets } = version;
    const { isolate } = await this.#start(source, secrets, slot).catch((error) => {
      this.#died();
      throw error;
    });
    // A load may have brought another version meanwhile.
    const ready = this.#ready();
    if (ready !== undefined || this.#version !== version) {
      isolate.kill();
      return ready ?? await this.#startAgain();
    }
    this.#adopt(isolate, slot);
    return isolate;
  }

  #start(source: Source, secrets: Readonly<Record<string, string>>, slot: Slot) {
    return this.#starts.add(this.#startNow(source, secrets, slot));
  }

  #slot(): Promise<Slot> {
    const { slots, limits } = this.#parts;
    return slots.acquire(limits().startTimeout, this.#over.signal);
  }

  async #startNow(source: Source, secrets: Readonly<Record<string, string>>, slot: Slot) {
    const { limits, host, log, started } = this.#parts;
    const { memory, startTimeout } = limits();
    const before = performance.now();
    try {
      const made = await Isolate.start({
        name: this.name,
        source,
        secrets,
        memory,
        startTimeout,
        signal: this.#over.signal,
        asked: this.#asked,
        host,
        log: (line) => log(this.name, line),
      });
      started(performance.now() - before);
      const { isolate } = made;
      this.#isolates.add(isolate);
      void isolate.over.then(() => {
        this.#isolates.delete(isolate);
        slot.release();
        if (this.#running?.isolate === isolate) this.#running = undefined;
      });
      return made;
    } catch (error) {
      slot.release();
      throw error;
    }
  }

  #adopt(isolate: Isolate, slot: Slot): void {
    const running = { isolate, slot, lastUsed: performance.now() };
    this.#running = running;
    slot.holdIdle(
      () => isolate.calls === 0 && this.#active === 0 ? running.lastUsed : undefined,
      () => isolate.retire(),
    );
    isolate.onDeath = () => this.#died();
  }

  /** An isolate ended without being told to. */
  #died(): void {
    this.#deaths++;
    if (this.#deaths < 3) return;
    this.#restUntil = performance.now() + Math.min(MAX_REST, REST * 2 ** (this.#deaths - 3));
  }

  async #inTime(obtained: Promise<Isolate>, until: number): Promise<Isolate> {
    const late = quietDeferred<never>();
    const timer = setTimeout(
      () => late.reject(new FunctionError("timeout", `${this.name} did not start in time`)),
      Math.max(0, until - performance.now()),
    );
    obtained.catch(() => {});
    try {
      return await Promise.race([obtained, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
