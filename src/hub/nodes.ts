/**
 * Commands among the nodes of the service, by type.
 *
 * @module
 */

import type { Underway } from "../async/underway.ts";
import type { CommandAnswer, Commands, Holders, MaybePromise } from "../engine/contract.ts";
import { type ErrorName, type Payload, ProtocolError } from "../protocol/mod.ts";

/** Milliseconds that a node has to answer. */
const PATIENCE = 3000;

/** Carries out what the node `from` asks for. The asking node is told of a ProtocolError. */
export type NodeHandler = (payload: Payload, from: string) => MaybePromise<Payload>;

/** What this node asks of the others, and what they ask of it. Everything has a deadline. */
export class Nodes {
  readonly #commands: Commands;
  readonly #failed: (error: unknown, stage: string) => void;
  readonly #underway: Underway;
  readonly #handlers = new Map<string, NodeHandler>();

  /** `failed` is told of commands that had no answer; `stage` is `command TYPE`. `underway` gets those that wait for one. */
  constructor(commands: Commands, failed: (error: unknown, stage: string) => void, underway: Underway) {
    this.#commands = commands;
    this.#underway = underway;
    this.#failed = failed;
    commands.onCommand(({ type, payload }, from) => {
      const handler = this.#handlers.get(type);
      // A node of another version may know commands that this one does not.
      if (handler === undefined) throw new TypeError(`no such command: ${type}`);
      return answered(handler, payload, from);
    });
  }

  /** Carries out commands of a type. Throws TypeError when somebody does already. */
  handle(type: string, handler: NodeHandler): void {
    if (this.#handlers.has(type)) throw new TypeError(`commands ${type} have a handler`);
    this.#handlers.set(type, handler);
  }

  /** The other nodes that are alive. Rejects with ProtocolError `not_available`, like everything here. */
  async others(): Promise<string[]> {
    return (await this.#asked("nodes", () => this.#commands.nodes())).map(({ node }) => node).filter((node) =>
      node !== this.#commands.node
    );
  }

  /** The other nodes that have sessions of a user or of a bot. */
  async holders(of: Holders): Promise<string[]> {
    const claims = await this.#asked("find", () => this.#commands.find(of));
    return [...new Set(claims.map(({ node }) => node))].filter((node) => node !== this.#commands.node);
  }

  /** The other node that has a session; undefined when none has, or this one. */
  async holderOf(session: string): Promise<string | undefined> {
    const node = (await this.#asked("locate", () => this.#commands.locate(session)))?.node;
    return node === this.#commands.node ? undefined : node;
  }

  /**
   * Asks a node. Undefined: it is gone, and nothing was carried out. Rejects with ProtocolError: `not_available` when there
   * is no answer and it may have been carried out, `message_too_large` when it was not sent because of that, or what the
   * handler throws.
   */
  async ask(node: string, type: string, payload: Payload): Promise<Payload | undefined> {
    const send = () => this.#commands.send(node, { type, payload }, PATIENCE);
    return this.#answer(type, node, await this.#asked(type, send));
  }

  /**
   * Asks several nodes at once; the answers of those that are not gone. Rejects as `ask` does, but when all have answered
   * or could not.
   */
  async askEach(nodes: readonly string[], type: string, payload: Payload): Promise<Payload[]> {
    const asked = await Promise.allSettled(nodes.map((node) => this.ask(node, type, payload)));
    return asked.flatMap((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value === undefined ? [] : [result.value];
    });
  }

  /** Asks all other nodes that are alive. Rejects as `askEach`. */
  async askOthers(type: string, payload: Payload): Promise<Payload[]> {
    const answers = await this.#asked(type, () => this.#commands.broadcast({ type, payload }, PATIENCE));
    return answers.flatMap(({ node, result }) => {
      const answer = this.#answer(type, node, result);
      return answer === undefined ? [] : [answer];
    });
  }

  /** Tells a node something whose loss does no lasting harm; a failure is reported. */
  tell(node: string, type: string, payload: Payload): void {
    // What `ask` rejects with it has reported.
    this.ask(node, type, payload).catch(() => {});
  }

  /** What the engine says; a failure of it is reported, and told as `not_available`. */
  async #asked<T>(what: string, ask: () => MaybePromise<T>): Promise<T> {
    try {
      const asked = ask();
      return await (asked instanceof Promise ? this.#underway.add(asked) : asked);
    } catch (error) {
      this.#failed(error, `command ${what}`);
      throw new ProtocolError("not_available", undefined, { cause: error });
    }
  }

  #answer(type: string, node: string, result: CommandAnswer): Payload | undefined {
    if ("answer" in result) return valueOf(result.answer);
    if (result.failed === "node_gone") return undefined;
    const name = result.failed === "too_large" ? "message_too_large" : "not_available";
    const error = new ProtocolError(name, `another node did not answer: ${result.failed}`);
    this.#failed(new Error(`node ${node}: ${result.failed}`), `command ${type}`);
    throw error;
  }
}

/** An answer, or the ProtocolError that is the answer: a refusal is no failure of the node that refuses. */
async function answered(handler: NodeHandler, payload: Payload, from: string): Promise<Payload> {
  try {
    return { value: await handler(payload, from) };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { error: error.error, detail: error.detail, retryAfter: error.retryAfter };
  }
}

function valueOf({ value, error, detail, retryAfter }: Payload): Payload {
  if (error === undefined) return value as Payload;
  const wait = retryAfter === undefined ? {} : { retryAfter: retryAfter as number };
  throw new ProtocolError(error as ErrorName, detail as string | undefined, wait);
}
