/**
 * Nodes and the commands among them, for the engines that share one store in this process.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import { deadline } from "../../async/deadline.ts";
import { fitsEveryForm, type Payload, uuidv7 } from "../../protocol/mod.ts";
import type {
  Claim,
  Claimed,
  ClaimOptions,
  CommandAnswer,
  CommandHandler,
  Commands,
  Holders,
  LossListener,
  NodeAnswer,
  NodeCommand,
  NodeInfo,
  SessionClaim,
} from "../contract.ts";
import { ClaimTable } from "./claim_table.ts";

/** Bytes of a command or an answer: as much as the usual message brokers carry in one message. */
const MAX_BYTES = 1024 * 1024;
/** Commands of one node that may wait for an answer. */
const MAX_WAITING = 10_000;
/** What `deadline` rejects with. */
const LATE = Symbol("late");

interface Node extends NodeInfo {
  /** When its lease lapses, in milliseconds of the clock. */
  readonly expires: number;
}

/** The nodes of one store. */
export class NodeTable {
  readonly claims: ClaimTable;
  readonly clock: Clock;
  readonly #nodes = new Map<string, Node>();
  readonly #open = new Map<string, LocalCommands>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.claims = new ClaimTable(() => clock.now(), (node) => this.#nodes.get(node)?.expires ?? -Infinity);
  }

  /** An engine is open. */
  join(commands: LocalCommands): void {
    this.#open.set(commands.node, commands);
  }

  /** An engine was closed: nobody listens there any more. Whether its node is alive its lease alone tells. */
  leave({ node }: LocalCommands): void {
    this.#open.delete(node);
  }

  /** See `Commands.announce`. */
  announce(node: string, name: string, lease: number): boolean {
    const known = this.#nodes.get(node);
    const now = this.clock.now();
    const isAlive = known !== undefined && known.expires > now;
    // What has lapsed stays so: others may have told clients by now that their sessions are gone.
    if (!isAlive) this.claims.sweep();
    const since = known?.since ?? this.clock.wall();
    this.#nodes.set(node, { node, name, since, expires: now + lease });
    return isAlive || known === undefined;
  }

  /** Ends the lease of a node now, unless it has lapsed before. */
  retire(node: string): void {
    const known = this.#nodes.get(node);
    const now = this.clock.now();
    if (known !== undefined && known.expires > now) this.#nodes.set(node, { ...known, expires: now });
  }

  /** The nodes that are alive, the oldest first. */
  alive(): NodeInfo[] {
    const now = this.clock.now();
    return [...this.#nodes.values()].filter(({ expires }) => expires > now)
      .map(({ node, name, since }) => ({ node, name, since }));
  }

  /** The engine of a node that is alive. */
  find(node: string): LocalCommands | undefined {
    return (this.#nodes.get(node)?.expires ?? -Infinity) > this.clock.now()
      ? this.#open.get(node)
      : undefined;
  }

  /** Tells a node that a session of its own is another's now. */
  lost(from: string, session: string, revision: number, to: string): void {
    this.#open.get(from)?.lost(session, revision, to);
  }

  /** Forgets claims that have lapsed, and dead nodes that have no claim left. */
  sweep(): void {
    const now = this.clock.now();
    const dead = [...this.#nodes.values()].filter(({ expires }) => expires <= now);
    if (dead.length === 0) return;
    const claiming = this.claims.sweep();
    // An engine that is open may announce itself again and has to learn that its lease had lapsed.
    for (const { node } of dead) {
      if (!claiming.has(node) && !this.#open.has(node)) this.#nodes.delete(node);
    }
  }
}

/** The commands of one engine. */
export class LocalCommands implements Commands {
  readonly node: string = uuidv7();
  readonly #table: NodeTable;
  readonly #failed: (error: unknown, stage: string) => void;
  #handler: CommandHandler | undefined;
  #listener: LossListener | undefined;
  #waiting = 0;

  /** `failed` is told when a handler or listener throws. */
  constructor(table: NodeTable, failed: (error: unknown, stage: string) => void) {
    this.#table = table;
    this.#failed = failed;
    table.join(this);
  }

  announce(name: string, lease: number): boolean {
    return this.#table.announce(this.node, name, lease);
  }

  retire(): void {
    this.#table.retire(this.node);
  }

  nodes(): readonly NodeInfo[] {
    return this.#table.alive();
  }

  claim(claim: SessionClaim, options: ClaimOptions): Claimed | undefined {
    const claimed = this.#table.claims.claim(this.node, claim, options);
    if (claimed?.previous !== undefined && claimed.previous !== this.node) {
      this.#table.lost(claimed.previous, claim.session, claimed.revision, this.node);
    }
    return claimed;
  }

  release(session: string, revision: number): boolean {
    return this.#table.claims.release(this.node, session, revision);
  }

  locate(session: string): Claim | undefined {
    const found = this.#table.claims.locate(session);
    return found && shown(found);
  }

  find(of: Holders): readonly Claim[] {
    return this.#table.claims.find(of).map(shown);
  }

  onLost(listener: LossListener): void {
    this.#listener = listener;
  }

  onCommand(handler: CommandHandler): void {
    this.#handler = handler;
  }

  async send(node: string, { type, payload }: NodeCommand, ms: number): Promise<CommandAnswer> {
    const command = structuredClone({ type, payload });
    if (!fitsEveryForm(payload, MAX_BYTES)) return { failed: "too_large" };
    const target = this.#table.find(node);
    if (target === undefined) return { failed: "node_gone" };
    if (this.#waiting >= MAX_WAITING) return { failed: "overloaded" };
    this.#waiting++;
    try {
      const answer = target.#carryOut(command, this.node);
      return await deadline(answer, ms, () => LATE, { timers: this.#table.clock });
    } catch (error) {
      if (error !== LATE) throw error;
      return { failed: "timeout" };
    } finally {
      this.#waiting--;
    }
  }

  broadcast(command: NodeCommand, ms: number): Promise<readonly NodeAnswer[]> {
    const others = this.#table.alive().filter(({ node }) => node !== this.node);
    return Promise.all(
      others.map(async ({ node }) => ({ node, result: await this.send(node, command, ms) })),
    );
  }

  /** A session of this node is another's now. It is told later, as by a store elsewhere. */
  lost(session: string, revision: number, to: string): void {
    queueMicrotask(() => {
      try {
        this.#listener?.(session, revision, to);
      } catch (error) {
        this.#failed(error, "lost claim");
      }
    });
  }

  /** Nobody is told of anything any more. */
  close(): void {
    this.#table.leave(this);
    this.#handler = undefined;
    this.#listener = undefined;
  }

  async #carryOut(command: NodeCommand, from: string): Promise<CommandAnswer> {
    // In a turn of its own: who asks is never called back before it waits.
    await undefined;
    const handler = this.#handler;
    if (handler === undefined) return { failed: "node_gone" };
    let answer: Payload;
    try {
      answer = structuredClone(await handler(command, from));
    } catch (error) {
      this.#failed(error, `command ${command.type}`);
      return { failed: "handler_failed" };
    }
    return fitsEveryForm(answer, MAX_BYTES) ? { answer } : { failed: "too_large" };
  }
}

function shown({ session, user, bot, node, revision }: Claim): Claim {
  return bot === undefined ? { session, user, node, revision } : { session, user, bot, node, revision };
}
