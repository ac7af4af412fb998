/**
 * Hooks of publications: what others in the service have to say before a message is committed, and are told after it.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import type { MaybePromise, Published } from "../engine/contract.ts";
import { type KeptType, ProtocolError } from "../protocol/mod.ts";
import { KEPT_TYPES, type Publication } from "./publication.ts";

/** What takes part in publications. Each part is optional; hooks are called in the order they were added. */
export interface PublishHook {
  /** Named in log lines and metrics. */
  readonly name: string;
  /** The types of messages it is called for. @default all */
  readonly types?: readonly KeptType[];
  /**
   * Called before the commit. Throws or rejects with ProtocolError to refuse; sets `publication.payload` to change what
   * is said. A promise holds this publication, and later ones of the same sender to the same channel; one that takes longer
   * than the deadline of hooks refuses with `not_available`, and `failed` is called if it lets the publication through later.
   */
  before?(publication: Publication): MaybePromise<void>;
  /** Told of a commit, a duplicate's too. Nobody waits for it; what it throws is logged and counted. */
  after?(publication: Publication, published: Published): MaybePromise<void>;
  /** Told of a publication that its `before` let through and that was not committed. What it throws is logged and counted. */
  failed?(publication: Publication, error: unknown): void;
}

/** The hooks of one type of message. */
export interface HookChain {
  readonly all: readonly PublishHook[];
  readonly before: readonly PublishHook[];
  readonly after: readonly PublishHook[];
}

/** The hooks that were added, by type of message. */
export class PublishHooks {
  readonly #chains = new Map<KeptType, HookChain>();
  readonly #failed: (error: unknown, stage: string) => void;

  readonly #patience: number;

  /**
   * `failed` is told when a hook throws that nobody waits for, or takes longer than `patience` milliseconds; `stage` is
   * `hook NAME`.
   */
  constructor(failed: (error: unknown, stage: string) => void, patience: number) {
    this.#failed = failed;
    this.#patience = patience;
  }

  /** Adds a hook behind those there are. Throws TypeError when one of its name was added before. */
  add(hook: PublishHook): void {
    for (const { all } of this.#chains.values()) {
      if (all.some(({ name }) => name === hook.name)) throw new TypeError(`two hooks are named ${hook.name}`);
    }
    for (const type of hook.types ?? KEPT_TYPES) {
      const all = [...this.#chains.get(type)?.all ?? [], hook];
      this.#chains.set(type, {
        all,
        before: all.filter(({ before }) => before !== undefined),
        after: all.filter(({ after }) => after !== undefined),
      });
    }
  }

  /** The hooks for messages of `type`; undefined without any. */
  of(type: KeptType): HookChain | undefined {
    return this.#chains.size === 0 ? undefined : this.#chains.get(type);
  }

  /**
   * Asks the hooks of `chain` in turn, beginning with the one at `from`. When one refuses, the earlier ones are told,
   * and its error is thrown or rejected with.
   */
  before(chain: HookChain, publication: Publication, from = 0): MaybePromise<void> {
    for (let at = from; at < chain.before.length; at++) {
      let asked: MaybePromise<void>;
      try {
        asked = chain.before[at]!.before!(publication);
      } catch (error) {
        this.#tellFailed(chain.before, publication, error, at);
        throw error;
      }
      if (asked instanceof Promise) return this.#beforeLater(chain, publication, asked, at);
    }
  }

  #beforeLater(
    chain: HookChain,
    publication: Publication,
    asked: Promise<void>,
    at: number,
  ): Promise<void> {
    const hook = chain.before[at]!;
    const late = (): ProtocolError => {
      const error = new ProtocolError("not_available", `the hook ${hook.name} did not answer in time`);
      this.#failed(error, `hook ${hook.name}`);
      asked.then(() => this.#tellFailed([hook], publication, error, 1), () => {});
      return error;
    };
    return deadline(asked, this.#patience, late).then(
      () => this.before(chain, publication, at + 1),
      (error) => {
        this.#tellFailed(chain.before, publication, error, at);
        throw error;
      },
    );
  }

  /** Tells the hooks of `chain` of a commit. */
  after({ after }: HookChain, publication: Publication, published: Published): void {
    for (let at = 0; at < after.length; at++) {
      const hook = after[at]!;
      try {
        const told = hook.after!(publication, published);
        if (told instanceof Promise) told.catch((error) => this.#failed(error, `hook ${hook.name}`));
      } catch (error) {
        this.#failed(error, `hook ${hook.name}`);
      }
    }
  }

  /** Tells the hooks of `chain`, which all let the publication through, that it was not committed. */
  failed({ all }: HookChain, publication: Publication, error: unknown): void {
    this.#tellFailed(all, publication, error, all.length);
  }

  #tellFailed(hooks: readonly PublishHook[], publication: Publication, error: unknown, count: number): void {
    for (let at = 0; at < count; at++) {
      const hook = hooks[at]!;
      try {
        hook.failed?.(publication, error);
      } catch (thrown) {
        this.#failed(thrown, `hook ${hook.name}`);
      }
    }
  }
}
