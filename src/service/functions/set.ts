/**
 * All functions of the service: which there are, and how they come and go with their files.
 *
 * @module
 */

import {
  type Call,
  DeployedFunction,
  FunctionError,
  type FunctionLimits,
  type FunctionParts,
  type Manifest,
  type Outcome,
  readSource,
  Slots,
  type Source,
} from "../../functions/mod.ts";
import type { FunctionDirectory } from "./directory.ts";
import type { KnownManifests } from "./known.ts";
import { UnloadedFunctions } from "./unloaded.ts";

/** How a set is made. */
export interface SetOptions extends Omit<FunctionParts, "slots" | "limits"> {
  readonly limits: () => FunctionLimits & { readonly maxIsolates: number };
  /** The folder itself. */
  readonly path: string;
  readonly directory: FunctionDirectory;
  /** The secrets that are granted to a function. */
  readonly secrets: (name: string) => Readonly<Record<string, string>>;
  /** What versions said of themselves when they were loaded before, by the hash of their source. */
  readonly known: KnownManifests;
  /** Told of each version that is in force, and of each that failed. */
  readonly loaded: (name: string, hash: string) => void;
  readonly failed: (name: string, error: FunctionError) => void;
  /** Told of a function whose file is gone. */
  readonly removed: (name: string) => void;
}

/** Loads at once: each is a process that uses the processor. */
const PARALLEL = 2;
/** Milliseconds that calls of a removed function have. */
const REMOVE_GRACE = 30_000;

interface Entry {
  readonly deployed: DeployedFunction;
  /** Of source and secrets: what was tried last, whether it loaded or not. */
  tried: string;
  problem: string | undefined;
  /** The files it was made of, as they were read last. */
  parts: readonly string[];
}

/** The functions of a folder. */
export class FunctionSet {
  readonly #options: SetOptions;
  readonly #slots: Slots;
  readonly #entries = new Map<string, Entry>();
  /** Removed functions whose calls are not over yet. */
  readonly #leaving = new Set<DeployedFunction>();
  #names: readonly DeployedFunction[] = [];
  /** Of the files that were there at first, those that have not loaded yet. */
  readonly unloaded: UnloadedFunctions;
  /** The names of the files that are there, loaded or not, without those that others import. */
  #files: Map<string, string> = new Map();
  /** What is wrong with files that only look like functions, by file. */
  #skipped: ReadonlyMap<string, string> = new Map();
  #updated: Promise<boolean> = Promise.resolve(true);
  #closed = false;

  constructor(options: SetOptions) {
    this.#options = options;
    this.unloaded = new UnloadedFunctions(options.path, options.known);
    this.#slots = new Slots(() => options.limits().maxIsolates);
  }

  /** Isolates that are alive. */
  get isolates(): number {
    return this.#slots.taken;
  }

  /** Functions with a version in force, by name. */
  get functions(): readonly DeployedFunction[] {
    return this.#names;
  }

  /** All functions, those that never loaded too, with what is wrong with their file now; and files that cannot be one. */
  *problems(): Generator<{ readonly name: string; readonly problem: string | undefined }> {
    for (const [name, { problem }] of this.#entries) yield { name, problem };
    for (const [name, problem] of this.#skipped) yield { name, problem };
  }

  /** Whether the folder has a file of this name, loaded or not. */
  has(name: string): boolean {
    return this.#files.has(name) || this.#entries.has(name);
  }

  /** What a function is called for; undefined when there is none of this name. */
  manifest(name: string): Manifest | undefined {
    return this.#entries.get(name)?.deployed.manifest;
  }

  /** Calls a function. Rejects with FunctionError. */
  call(name: string, call: Call): Promise<Outcome> {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      return Promise.reject(new FunctionError("unknown", `no function is called ${name}`));
    }
    return entry.deployed.call(call);
  }

  /**
   * Brings the functions to what the folder holds now. Never rejects: a version that fails leaves the one before. False:
   * there was no room to load one.
   */
  update(): Promise<boolean> {
    // One at a time: the configuration and the folder may change at once.
    return this.#updated = this.#updated.then(() => this.#update());
  }

  async #update(): Promise<boolean> {
    if (this.#closed) return true;
    let files: ReadonlyMap<string, string>, skipped: ReadonlyMap<string, string>;
    try {
      ({ files, skipped } = await this.#options.directory.list());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // A folder that is gone for a moment, as when it is replaced, must not end all functions.
      this.#options.failed("", new FunctionError("load", `functions.directory: ${why}`));
      return true;
    }
    this.#files = new Map(files);
    await this.unloaded.look(files);
    for (const name of [...this.#entries.keys()]) if (!files.has(name)) this.#remove(name);
    const waiting = [...files], withoutDefault: [string, string][] = [];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !this.#closed; next = waiting.shift()) {
        if (!await this.#load(...next)) withoutDefault.push(next);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    if (!this.#closed) this.#tellOfNone(withoutDefault, skipped);
    return [...this.#entries.values()].every(({ tried }) => tried !== "");
  }

  /** Files that are no functions: what others import is in order, the rest is told of. */
  #tellOfNone(
    withoutDefault: readonly (readonly [string, string])[],
    skipped: ReadonlyMap<string, string>,
  ): void {
    const parts = new Set([...this.#entries.values()].flatMap(({ parts }) => parts));
    for (const [name, file] of withoutDefault) {
      if (parts.has(file)) {
        this.#entries.delete(name);
        this.#files.delete(name);
      } else {
        const why = `${file}: no default export: export default defineFunction({ handler ... })`;
        this.#fail(name, "no default", new FunctionError("load", why));
      }
    }
    const before = this.#skipped;
    this.#skipped = new Map([...skipped].filter(([file]) => !parts.has(file)));
    for (const [file, why] of this.#skipped) {
      if (!before.has(file)) this.#options.failed(file, new FunctionError("load", `${file}: ${why}`));
    }
  }

  /** Puts what a file holds in force. False: it has no default export, and never had one. Never rejects. */
  async #load(name: string, file: string): Promise<boolean> {
    const { path, secrets, loaded } = this.#options;
    let entry = this.#entries.get(name);
    const granted = secrets(name);
    let tried = "";
    try {
      const source = await readSource(path, file);
      tried = `${source.hash} ${JSON.stringify(granted)}`;
      if (!source.hasDefault && entry?.deployed.manifest === undefined) {
        this.unloaded.settle(name);
        return false;
      }
      if (entry?.tried === tried) return true;
      entry ??= this.#add(name);
      entry.parts = source.modules.slice(0, -1).map(({ name }) => name);
      await this.#put(entry.deployed, source, granted);
      // It may have been stopped while it was loaded.
      if (this.#closed) return true;
      entry.tried = tried;
      entry.problem = undefined;
      this.unloaded.settle(name);
      this.#list();
      loaded(name, source.hash);
    } catch (error) {
      if (this.#closed) return true;
      const failure = error instanceof FunctionError ? error : new FunctionError("load", `${file}: ${error}`);
      // Tried again when something else is there, or when there was no room for it.
      this.#fail(name, failure.kind === "busy" ? "" : tried === "" ? "unread" : tried, failure);
    }
    return true;
  }

  #fail(name: string, tried: string, failure: FunctionError): void {
    const entry = this.#entries.get(name) ?? this.#add(name);
    entry.tried = tried;
    if (entry.problem === failure.message) return;
    entry.problem = failure.message;
    this.#options.failed(name, failure);
  }

  /** Puts a version in force. The first one after a start need not be started when it was loaded before. */
  async #put(
    deployed: DeployedFunction,
    source: Source,
    granted: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { known } = this.#options;
    const said = deployed.manifest === undefined ? await known.get(source.hash) : undefined;
    if (said !== undefined) {
      try {
        await deployed.load(source, granted, said);
        return await known.put(deployed.name, source.hash, said);
      } catch {
        // Another version of the service may read it in another way.
      }
    }
    await known.put(deployed.name, source.hash, await deployed.load(source, granted));
  }

  /** Stops what is idle. `now`: of the clock that only goes forward. */
  sweep(now: number): void {
    for (const { deployed } of this.#entries.values()) deployed.sweep(now);
  }

  /** Takes no more calls; resolves once those under way are over, or after `patience` milliseconds. */
  async close(patience: number): Promise<void> {
    this.#closed = true;
    const close = () => {
      const all = [...this.#leaving, ...[...this.#entries.values()].map(({ deployed }) => deployed)];
      return Promise.all(all.map((deployed) => deployed.close(patience)));
    };
    // Ends loads that are under way, so that an update comes to its end, which may have begun one more.
    await close();
    await this.#updated;
    await close();
  }

  #add(name: string): Entry {
    const { limits, host, log, started } = this.#options;
    const deployed = new DeployedFunction(name, { limits, host, log, started, slots: this.#slots });
    const entry: Entry = { deployed, tried: "", problem: undefined, parts: [] };
    this.#entries.set(name, entry);
    return entry;
  }

  #remove(name: string): void {
    const { deployed } = this.#entries.get(name)!;
    this.#entries.delete(name);
    this.#list();
    this.#leaving.add(deployed);
    void deployed.close(REMOVE_GRACE).then(() => this.#leaving.delete(deployed));
    this.#options.removed(name);
  }

  #list(): void {
    this.#names = [...this.#entries.values()]
      .map(({ deployed }) => deployed)
      .filter(({ manifest }) => manifest !== undefined)
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }
}
