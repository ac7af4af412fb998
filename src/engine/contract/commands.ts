/**
 * Commands: which nodes are alive, which of them has a session, and how one asks another for something.
 *
 * @module
 */

import type { Payload } from "../../protocol/mod.ts";
import type { MaybePromise } from "./log.ts";

/** A node that is alive: an instance of an engine that has announced itself. */
export interface NodeInfo {
  /** Unique: a node that starts again has another one. */
  readonly node: string;
  /** What its operator calls it; several nodes may have one name. */
  readonly name: string;
  /** When it announced itself first, in milliseconds since the epoch. */
  readonly since: number;
}

/** What a node says of a session that it has. */
export interface SessionClaim {
  readonly session: string;
  readonly user: string;
  /** The bot whose commands the session answers. @default none */
  readonly bot?: string | undefined;
}

/** A claim that stands. */
export interface Claim extends SessionClaim {
  /** The node that has the session. It may have died since: `nodes` tells. */
  readonly node: string;
  /** Rises with each claim of the session. */
  readonly revision: number;
}

/** How a session is claimed. */
export interface ClaimOptions {
  /** Milliseconds that the claim outlives its node: so long may another node still take the session over. */
  readonly window: number;
  /**
   * Only if this is the revision of the claim now; 0: only if there is none.
   * @default whatever there is, but there has to be a claim of the same user
   */
  readonly revision?: number;
}

/** A claim that was made. */
export interface Claimed {
  readonly revision: number;
  /** The node that had the session before, which may be this one. @default none had it */
  readonly previous?: string;
}

/** Which sessions one asks for. */
export type Holders = { readonly user: string } | { readonly bot: string };

/** Something that one node asks of another. */
export interface NodeCommand {
  /** Which handler it is for. */
  readonly type: string;
  /** JSON, and bytes in it. With the answer's it may have 1 MiB. */
  readonly payload: Payload;
}

/**
 * Why a command has no answer. `node_gone`: the node is not alive, or nobody listens there; it was not carried out.
 * `timeout`: it may have been carried out, or may be later. `handler_failed`: it was begun. `too_large`: the command was
 * not sent, or the answer was not. `overloaded`: too many wait for an answer; it was not sent.
 */
export type CommandFailure = "node_gone" | "timeout" | "handler_failed" | "too_large" | "overloaded";

/** What became of a command. */
export type CommandAnswer = { readonly answer: Payload } | { readonly failed: CommandFailure };

/** The answer of one of several nodes. */
export interface NodeAnswer {
  readonly node: string;
  readonly result: CommandAnswer;
}

/** Carries out a command of the node `from` and answers. What it throws, the asking node is told as `handler_failed`. */
export type CommandHandler = (command: NodeCommand, from: string) => MaybePromise<Payload>;

/** Told that the claim of a session is `node`'s now, with that revision. */
export type LossListener = (session: string, revision: number, node: string) => void;

/** Nodes, their sessions, and commands among them. */
export interface Commands {
  /** This node. */
  readonly node: string;
  /**
   * Says that this node is alive for `lease` milliseconds; to be called again well before they have passed. False: they
   * had passed, others took it for dead, and its claims may have gone: it has to claim its sessions again.
   */
  announce(name: string, lease: number): MaybePromise<boolean>;
  /** Says that this node ends. Its claims stand for their window, so that clients find their sessions elsewhere. */
  retire(): MaybePromise<void>;
  /** The nodes that are alive, this one too, the oldest first. */
  nodes(): MaybePromise<readonly NodeInfo[]>;
  /**
   * Claims a session for this node, in one step whoever else does: of several at once each takes it from the one before.
   * Undefined: nothing was claimed, because `revision` is not the claim's, or none of that user is known.
   */
  claim(claim: SessionClaim, options: ClaimOptions): MaybePromise<Claimed | undefined>;
  /** Ends the claim with that revision: the session is over. False: it was no longer this node's. */
  release(session: string, revision: number): MaybePromise<boolean>;
  /** The claim of a session. Undefined: no node has it, and none had it within its window. */
  locate(session: string): MaybePromise<Claim | undefined>;
  /** The claims of a user's sessions, or of those that answer a bot's commands. */
  find(of: Holders): MaybePromise<readonly Claim[]>;
  /** Calls `listener` when another node has claimed a session of this one. It may be late. One listener. */
  onLost(listener: LossListener): void;
  /**
   * Asks a node, which may be this one, and waits up to `ms` milliseconds. An answer that comes later is dropped. Throws
   * for a payload that is not data.
   */
  send(node: string, command: NodeCommand, ms: number): Promise<CommandAnswer>;
  /** Asks all other nodes that are alive. */
  broadcast(command: NodeCommand, ms: number): Promise<readonly NodeAnswer[]>;
  /** Carries out what nodes ask of this one. One handler. */
  onCommand(handler: CommandHandler): void;
}
