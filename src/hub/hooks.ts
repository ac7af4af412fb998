/**
 * Hooks of publications: what others in the service have to say before a message is committed, and are told after it.
 *
 * @module
 */

import type { Underway } from "../async/underway.ts";
import type { MaybePromise, Published } from "../engine/contract.ts";
import type { KeptType } from "../protocol/mod.ts";
import { Asking } from "./asking.ts";
import { type EndedPublication, KEPT_TYPES, type PiecePublication, type Publication } from "./publication.ts";

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
  /**
   * Called before a streamed message grows; `before` saw its beginning alone. A hook that judges what is said needs both,
   * or refuses in `before` what has `stream: "open"`. Pieces of a moment come as one. Throws or rejects with
   * ProtocolError to refuse: the message ends as `failed`, unless the error is temporary. The deadline of `before` holds.
   */
  beforePiece?(piece: PiecePublication): MaybePromise<void>;
  /**
   * Told of a commit, a duplicate's too. Nobody waits for it, unless `awaited`; what it throws is logged and counted.
   */
  after?(publication: Publication, published: Published): MaybePromise<void>;
  /**
   * Told once a streamed message is over: `after` saw its beginning alone. `published` says where the message is;
   * `duplicate`: its sender ended it again. Otherwise as `after`.
   */
  ended?(publication: EndedPublication, published: Published): MaybePromise<void>;
  /**
   * The acknowledgement waits for what `after` and `ended` return, and fails when that rejects: a sender that sends the message again
   * makes them be called again. @default false
   */
  readonly awaited?: boolean;
  /** Told of a publication that its `before` let through and that was not committed. What it throws is logged and counted. */
  failed?(publication: Publication, error: unknown): void;
}

/** The hooks of one type of message. */
export interface HookChain {
  readonly all: readonly PublishHook[];
  readonly before: readonly PublishHook[];
  readonly pieces: readonly PublishHook[];
  readonly after: readonly PublishHook[];
  readonly ended: readonly PublishHook[];
}

/** The hooks that were added, by type of message. */
export class PublishHooks {
  #hooks: readonly PublishHook[] = [];
  #chains: ReadonlyMap<KeptType, HookChain> = new Map();
  readonly #asking: Asking<PublishHook, Publication>;
  readonly #askingPieces: Asking<PublishHook, PiecePublication>;
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #underway: Underway;

  /**
   * `failed` is told when a hook throws that nobody waits for, or takes longer than `patience` milliseconds; `stage` is
   * `hook NAME`. `underway` gets what nobody else waits for.
   */
  constructor(failed: (error: unknown, stage: string) => void, patience: number, underway: Underway) {
    this.#failed = failed;
    this.#underway = underway;
    this.#asking = new Asking({
      ask: (hook, publication) => hook.before!(publication),
      refused: (hook, publication, error) => this.#tellFailed(hook, publication, error),
      patience,
      failed,
    });
    this.#askingPieces = new Asking({ ask: (hook, piece) => hook.beforePiece!(piece), patience, failed });
  }

  /** Adds a hook behind those there are. Throws TypeError when one of its name was added before. */
  add(hook: PublishHook): void {
    if (this.#hooks.some(({ name }) => name === hook.name)) {
      throw new TypeError(`two hooks are named ${hook.name}`);
    }
    this.#replace([...this.#hooks, hook]);
  }

  /** Removes the hook of that name; publications that it was asked about go on. */
  remove(name: string): void {
    this.#replace(this.#hooks.filter((hook) => hook.name !== name));
  }

  /** The hooks for messages of `type`; undefined without any. */
  of(type: KeptType): HookChain | undefined {
    return this.#chains.size === 0 ? undefined : this.#chains.get(type);
  }

  /**
   * Asks the hooks of `chain` in turn. When one refuses, the earlier ones are told, and its error is thrown or rejected
   * with.
   */
  before(chain: HookChain, publication: Publication): MaybePromise<void> {
    return this.#asking.ask(chain.before, publication);
  }

  /** Whether any hook wants to see pieces. */
  get seesPieces(): boolean {
    return this.#hooks.some(({ beforePiece }) => beforePiece !== undefined);
  }

  /** Asks the hooks of its type about a piece, in turn. Throws or rejects with the error of the one that refuses. */
  beforePiece(piece: PiecePublication): MaybePromise<void> {
    return this.#askingPieces.ask(this.of(piece.type)?.pieces ?? [], piece);
  }

  /** Tells the hooks of `chain` of a commit. A promise: the acknowledgement waits for it, and fails when it rejects. */
  after({ after }: HookChain, publication: Publication, published: Published): Promise<unknown> | undefined {
    return this.#tell(after, (hook) => hook.after!(publication, published));
  }

  /** Whether any hook wants to be told of the ends of streamed messages. */
  get seesEnds(): boolean {
    return this.#hooks.some(({ ended }) => ended !== undefined);
  }

  /** Tells the hooks of its type that a streamed message is over. A promise as that of `after`. */
  ended(publication: EndedPublication, published: Published): Promise<unknown> | undefined {
    const hooks = this.of(publication.type)?.ended ?? [];
    return this.#tell(hooks, (hook) => hook.ended!(publication, published));
  }

  #tell(
    hooks: readonly PublishHook[],
    tell: (hook: PublishHook) => MaybePromise<void>,
  ): Promise<unknown> | undefined {
    let awaited: Promise<unknown> | undefined;
    for (let at = 0; at < hooks.length; at++) {
      const hook = hooks[at]!;
      try {
        const told = tell(hook);
        if (!(told instanceof Promise)) continue;
        if (hook.awaited === true) awaited = awaited === undefined ? told : Promise.all([awaited, told]);
        else void this.#underway.add(told.catch((error) => this.#failed(error, `hook ${hook.name}`)));
      } catch (error) {
        this.#failed(error, `hook ${hook.name}`);
      }
    }
    return awaited;
  }

  /** Tells the hooks of `chain`, which all let the publication through, that it was not committed. */
  failed({ all }: HookChain, publication: Publication, error: unknown): void {
    for (const hook of all) this.#tellFailed(hook, publication, error);
  }

  #replace(hooks: readonly PublishHook[]): void {
    this.#hooks = hooks;
    const chains = new Map<KeptType, HookChain>();
    for (const type of KEPT_TYPES) {
      const all = hooks.filter(({ types }) => types === undefined || types.includes(type));
      if (all.length === 0) continue;
      chains.set(type, {
        all,
        before: all.filter(({ before }) => before !== undefined),
        pieces: all.filter(({ beforePiece }) => beforePiece !== undefined),
        after: all.filter(({ after }) => after !== undefined),
        ended: all.filter(({ ended }) => ended !== undefined),
      });
    }
    this.#chains = chains;
  }

  #tellFailed(hook: PublishHook, publication: Publication, error: unknown): void {
    try {
      hook.failed?.(publication, error);
    } catch (thrown) {
      this.#failed(thrown, `hook ${hook.name}`);
    }
  }
}
