/**
 * A group's keys as documents use them: what is sent is sealed for those who are in the group now; what comes is opened
 * with the key of its epoch, once the log has led there.
 *
 * @module
 */

import type { Cipher, SealedKind } from "../documents/encryption.ts";
import { SkeinError } from "../errors.ts";
import { sealedIn } from "./epoch_keys.ts";
import type { Ledger } from "./ledger.ts";

/** What a cipher needs of its group. */
export interface CipherPort {
  readonly ledger: Ledger;
  /** Resolves with whether the group has reached `epoch` in time. */
  reach(epoch: number): Promise<boolean>;
  /** Others have a key that this device has not: it is behind, or they are in another branch of the group. */
  apart(found: "behind" | "fork", epoch: number): void;
  /** Something that is kept in the channel was sealed before this device came, or cannot be opened any more. */
  unreadable(channel: string): void;
  /** Whether an epoch has ended so long ago that nobody who is in still says something in it. */
  isOver(epoch: number): boolean;
  /** The channel's content is sealed with keys of the group. */
  uses(channel: string): void;
}

/** Seals and opens for a group. */
export class GroupCipher implements Cipher {
  readonly #port: CipherPort;
  readonly #isDirect: boolean;

  /**
   * `isDirect`: what comes is said now, by a peer. Then nothing of an epoch that is over is taken: the service, which asks
   * for rights, is not in between, and who was removed still has the keys of before.
   */
  constructor(port: CipherPort, isDirect = false) {
    this.#port = port;
    this.#isDirect = isDirect;
  }

  /** Rejects with SkeinError `not_available` when this device is not in the group. */
  async seal(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array> {
    const { membership, keys } = this.#port.ledger;
    if (membership === undefined) throw outside(channel);
    if (kind !== "awareness") this.#port.uses(channel);
    return await keys.seal(membership.epoch, kind, channel, data);
  }

  async open(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array> {
    const { ledger } = this.#port;
    const { epoch } = sealedIn(channel, data);
    if (ledger.membership === undefined) throw outside(channel);
    if (epoch > ledger.membership.epoch && !await this.#port.reach(epoch)) {
      this.#port.apart("behind", epoch);
      throw this.#lost(kind, channel, "was sealed after a change of the group that has not come");
    }
    if (this.#isDirect && this.#port.isOver(epoch)) {
      throw new SkeinError("bad_payload", `${channel}: what came was sealed with keys that are over`);
    }
    if (kind !== "awareness") this.#port.uses(channel);
    const opened = await ledger.keys.open(kind, channel, data);
    if ("data" in opened) return opened.data;
    switch (opened.failure) {
      case "unknown_epoch":
        throw this.#lost(kind, channel, "was sealed before this device came");
      case "fork":
        this.#port.apart("fork", epoch);
        throw this.#lost(kind, channel, "was sealed in another branch of the group");
      case "broken":
        throw new SkeinError("bad_payload", `${channel}: what came was not sealed by a member`);
    }
  }

  #lost(kind: SealedKind, channel: string, why: string): SkeinError {
    // What others do just now need not be said again, and what peers have said comes from the service as well.
    if (kind !== "awareness" && !this.#isDirect) this.#port.unreadable(channel);
    return new SkeinError("bad_payload", `${channel}: what came ${why}`);
  }
}

function outside(channel: string): SkeinError {
  return new SkeinError("not_available", `${channel}: this device is not in the group`, { temporary: true });
}
