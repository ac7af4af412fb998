/**
 * The members of a group and its secrets at one epoch (RFC 9420), and the steps from one epoch to the next. Each step
 * gives a new value: what was stays as it is until the log has decided.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import { sameBytes, utf8 } from "./encoding.ts";
import { type DeviceName, nameOf, type Suite } from "./identity.ts";
import {
  type ClientState,
  createCommit,
  createGroup,
  decodeGroupState,
  decodeMlsMessage,
  emptyPskIndex,
  encodeGroupState,
  encodeMlsMessage,
  joinGroup,
  type LeafNode,
  mlsExporter,
  type PrivateMessage,
  processPrivateMessage,
  type Proposal,
  type Welcome,
} from "./mls.ts";
import type { CheckedPackage, OwnPackage } from "./packages.ts";

/** A device that is in the group. */
export interface Leaf extends DeviceName {
  readonly index: number;
  readonly hpkeKey: Uint8Array;
}

/** What a member wants changed. Without anything in it, its own keys are renewed. */
export interface Changes {
  readonly add: readonly CheckedPackage[];
  /** Devices. One that is in `add` too is let in anew. */
  readonly remove: readonly string[];
}

/** A commit that the log has not decided about yet. */
export interface Prepared {
  /** As it is sent. */
  readonly commit: Uint8Array;
  /** For those who are added. */
  readonly welcome: Uint8Array | undefined;
  /** The epoch that it ends. */
  readonly epoch: number;
  /** How it goes on when the commit counts. */
  readonly next: Membership;
}

/** What a commit did; undefined is one that does not count. */
export type Step =
  | {
    readonly next: Membership;
    /** The index of whoever has made it. */
    readonly committer: number;
  }
  /** This device is out; `anew`: the same commit lets it in again, so that a welcome follows. */
  | { readonly removed: true; readonly anew: boolean }
  | undefined;

/** Secrets of an epoch that go beyond MLS. */
export interface EpochSecret {
  /** Of it the keys of what is said are made. */
  readonly content: Uint8Array;
  /** Tells two epochs of the same number apart; no secret. */
  readonly tag: Uint8Array;
}

/** Bytes of a tag. */
export const TAG_LENGTH = 4;
/** Proposals that this version acts on. */
const KNOWN: ReadonlySet<unknown> = new Set(["add", "remove", "update"]);

/** The group as this device knows it. */
export class Membership {
  readonly #suite: Suite;
  readonly #state: ClientState;

  private constructor(suite: Suite, state: ClientState) {
    this.#suite = suite;
    this.#state = state;
  }

  /** A new group with this device alone. */
  static async create(suite: Suite, groupId: Uint8Array, own: OwnPackage): Promise<Membership> {
    const { publicPackage, privatePackage } = own;
    const { cs, config } = suite;
    return new Membership(suite, await createGroup(groupId, publicPackage, privatePackage, [], cs, config));
  }

  /** Joins by a welcome that names `own`. Rejects when it cannot be read, or the group's tree is not sound. */
  static async join(suite: Suite, welcome: Welcome, own: OwnPackage): Promise<Membership> {
    const { cs, config } = suite;
    const { publicPackage, privatePackage } = own;
    const state = await joinGroup(
      welcome,
      publicPackage,
      privatePackage,
      emptyPskIndex,
      cs,
      undefined,
      undefined,
      config,
    );
    return new Membership(suite, state);
  }

  /** Reads what `encode` gave. Throws when it is cut. */
  static decode(suite: Suite, bytes: Uint8Array): Membership {
    const state = decodeGroupState(bytes, 0)?.[0];
    if (state === undefined) throw new SkeinError("storage", "the state of a group cannot be read");
    return new Membership(suite, { ...state, clientConfig: suite.config });
  }

  /** All of it with its secrets, for the storage. */
  encode(): Uint8Array {
    return encodeGroupState(this.#state);
  }

  get groupId(): Uint8Array {
    return this.#state.groupContext.groupId;
  }

  get epoch(): number {
    return Number(this.#state.groupContext.epoch);
  }

  /** The index of this device among the leaves. */
  get own(): number {
    return this.#state.privatePath.leafIndex;
  }

  /** The same for all who agree about everything that has happened in the group (RFC 9420 §8.7). */
  get authenticator(): Uint8Array {
    return this.#state.keySchedule.epochAuthenticator;
  }

  /** The devices in the group. */
  leaves(): Leaf[] {
    const leaves: Leaf[] = [];
    this.#state.ratchetTree.forEach((node, i) => {
      if (node?.nodeType !== "leaf") return;
      const name = leafName(node.leaf);
      // The library has asked `validateCredential`, so there is a name.
      if (name !== undefined) leaves.push({ ...name, index: i / 2, hpkeKey: node.leaf.hpkePublicKey });
    });
    return leaves;
  }

  /** Makes a commit. Rejects when a key package in it is not acceptable. */
  async prepare({ add, remove }: Changes): Promise<Prepared> {
    const leaves = new Map(this.leaves().map((leaf) => [leaf.device, leaf]));
    const removals = remove.map((device): Proposal => ({
      proposalType: "remove",
      remove: { removed: leaves.get(device)!.index },
    }));
    const additions = add.map(({ keyPackage }): Proposal => ({ proposalType: "add", add: { keyPackage } }));
    const { commit, welcome, newState } = await createCommit(
      { state: this.#state, cipherSuite: this.#suite.cs },
      { extraProposals: [...removals, ...additions], ratchetTreeExtension: true },
    );
    return {
      commit: encodeMlsMessage(commit),
      welcome: welcome === undefined
        ? undefined
        : encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome }),
      epoch: this.epoch,
      next: new Membership(this.#suite, newState),
    };
  }

  /** Takes a commit of another member. Never rejects: what cannot be read or is not allowed does not count. */
  async take(message: PrivateMessage): Promise<Step> {
    let committer: number | undefined, isOut = false, anew = false;
    try {
      const result = await processPrivateMessage(
        this.#state,
        message,
        emptyPskIndex,
        this.#suite.cs,
        (incoming) => {
          if (incoming.kind !== "commit") return "reject";
          const proposals = incoming.proposals.map(({ proposal }) => proposal);
          if (!proposals.every(({ proposalType }) => KNOWN.has(proposalType))) return "reject";
          committer = incoming.senderLeafIndex;
          isOut = proposals.some((each) => "remove" in each && each.remove.removed === this.own);
          anew = proposals.some((each) => "add" in each && this.#isOwn(each.add.keyPackage.leafNode));
          return "accept";
        },
      );
      if (result.kind !== "newState" || result.actionTaken !== "accept") return undefined;
      if (result.newState.groupActiveState.kind === "removedFromGroup") return { removed: true, anew };
      const next = new Membership(this.#suite, result.newState);
      if (committer === undefined || !this.#keepsNames(next, committer)) return undefined;
      return { next, committer };
    } catch {
      // A member has signed it, and who is out cannot read the rest. The library says so itself only when nobody was let
      // in in the place of this device by the same commit.
      return isOut ? { removed: true, anew } : undefined;
    }
  }

  /** Secrets that only the members of this epoch have. */
  async secret(): Promise<EpochSecret> {
    const { exporterSecret } = this.#state.keySchedule;
    const { cs } = this.#suite;
    const none = new Uint8Array();
    const [content, tag] = await Promise.all([
      mlsExporter(exporterSecret, "skein content", none, 32, cs),
      mlsExporter(exporterSecret, "skein epoch", none, 32, cs),
    ]);
    return { content, tag: tag.slice(0, TAG_LENGTH) };
  }

  #isOwn(leaf: LeafNode): boolean {
    return leafName(leaf)?.device === this.#suite.identity.device;
  }

  /** Whoever commits may renew its keys, and must stay who it is: MLS would let it change its name. */
  #keepsNames(next: Membership, committer: number): boolean {
    const before = this.leaves().find(({ index }) => index === committer);
    const after = next.leaves().find(({ index }) => index === committer);
    return before !== undefined && before.device === after?.device && before.user === after.user;
  }
}

/** A commit as it was sent: its epoch and what the library takes; undefined when it is none of `groupId`. */
export function readCommit(bytes: Uint8Array, groupId: Uint8Array | undefined):
  | { epoch: number; message: PrivateMessage }
  | undefined {
  const message = decode(bytes);
  if (message?.wireformat !== "mls_private_message") return undefined;
  const { privateMessage } = message;
  if (privateMessage.contentType !== "commit") return undefined;
  if (groupId !== undefined && !sameBytes(privateMessage.groupId, groupId)) return undefined;
  const epoch = Number(privateMessage.epoch);
  return Number.isSafeInteger(epoch) ? { epoch, message: privateMessage } : undefined;
}

/** A welcome as it was sent; undefined when it is none. */
export function readWelcome(bytes: Uint8Array): Welcome | undefined {
  const message = decode(bytes);
  return message?.wireformat === "mls_welcome" ? message.welcome : undefined;
}

/** A new group's id: the log it is in, and chance. */
export function newGroupId(log: string): Uint8Array {
  const name = utf8(`${log}\n`);
  const id = new Uint8Array(name.length + 16);
  id.set(name);
  crypto.getRandomValues(id.subarray(name.length));
  return id;
}

function leafName({ credential, signaturePublicKey }: LeafNode): DeviceName | undefined {
  return "identity" in credential ? nameOf(credential.identity, signaturePublicKey) : undefined;
}

function decode(bytes: Uint8Array) {
  try {
    return decodeMlsMessage(bytes, 0)?.[0];
  } catch {
    // Others' bytes: the library throws at some of them.
    return undefined;
  }
}
