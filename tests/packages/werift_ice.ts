/**
 * werift-ice: another STUN and TURN codec to compare ours with. A package of the tests is named here and not in `deno.json`, because every task downloads what that names.
 *
 * It is imported by a name that is not known before it runs, because its types bring those of Node, which are others than Deno's, into every check of types. The version is exact, because the name is.
 *
 * @module
 */

import type { Buffer } from "node:buffer";

/** What the tests use of a message. */
export interface WeriftMessage {
  readonly messageMethod: number;
  readonly messageClass: number;
  readonly transactionId: Buffer;
  readonly attributes: [string, unknown][];
  readonly bytes: Buffer;
  setAttribute(name: string, value: unknown): void;
  addMessageIntegrity(key: Buffer): void;
  addFingerprint(): void;
}

/** What the tests use of the package. */
export interface WeriftIce {
  readonly Message: new (method: number, kind: number, transactionId: Buffer) => WeriftMessage;
  /** Undefined: no message, or its integrity is wrong. */
  parseMessage(bytes: Buffer, integrityKey?: Buffer): WeriftMessage | undefined;
  makeIntegrityKey(username: string, realm: string, password: string): Buffer;
}

const NAME = "npm:werift-ice@0.2.2";

/** The package. */
export const { Message, parseMessage, makeIntegrityKey } = await import(NAME) as WeriftIce;
