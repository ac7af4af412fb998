/**
 * Groups without a service: what the work with keys costs. The bare side of sealing is a `DocumentKey`, one key for all
 * time.
 *
 * @module
 */

import { systemClock } from "../../../src/client/clock.ts";
import { DocumentKey } from "../../../src/client/documents/encryption.ts";
import { EpochKeys } from "../../../src/client/groups/epoch_keys.ts";
import { identityOf, type Suite, suiteOf } from "../../../src/client/groups/identity.ts";
import { Membership, newGroupId, readCommit, readWelcome } from "../../../src/client/groups/membership.ts";
import { type CheckedPackage, makePackage, type OwnPackage } from "../../../src/client/groups/packages.ts";
import { type Measure, median } from "../scenario.ts";

const CHANNEL = "doc:plan";
/** Bytes of an operation. */
const OPERATION = 200;
const ROUNDS = 2000;
/** Changes that are measured. */
export const CHANGES = 9;

interface Member {
  readonly suite: Suite;
  readonly own: OwnPackage;
}

async function member(user: string): Promise<Member> {
  const keys = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
  const suite = await suiteOf(await identityOf(user, keys));
  return { suite, own: await makePackage(suite, systemClock.wall(), false) };
}

function checked({ suite: { identity }, own }: Member): CheckedPackage {
  return { user: identity.user, device: identity.device, keyPackage: own.publicPackage };
}

/** A group of so many devices, as its first one sees it, and as the second. */
async function group(size: number): Promise<{ first: Membership; second: Membership }> {
  const [founder, ...others] = await Promise.all(
    Array.from({ length: size }, (_, i) => member(`u${i}`)),
  );
  const alone = await Membership.create(founder!.suite, newGroupId(CHANNEL), founder!.own);
  const { next, welcome } = await alone.prepare({ add: others.map(checked), remove: [] });
  return { first: next, second: await join(others[0]!, welcome!) };
}

function join({ suite, own }: Member, welcome: Uint8Array): Promise<Membership> {
  return Membership.join(suite, readWelcome(welcome)!, own);
}

async function timed<T>(act: () => Promise<T>): Promise<[milliseconds: number, result: T]> {
  const start = performance.now();
  const result = await act();
  return [performance.now() - start, result];
}

/** Microseconds to seal, or to open, an operation. */
async function perOperation(act: (i: number) => Promise<unknown>): Promise<Measure> {
  for (let i = 0; i < ROUNDS / 10; i++) await act(i);
  const [ms] = await timed(async () => {
    for (let i = 0; i < ROUNDS; i++) await act(i);
  });
  return { value: ms * 1000 / ROUNDS };
}

/** Microseconds to seal or open an operation of 200 bytes with a key of a group, or with the one key of a document. */
export async function operation(what: "seal" | "open", of: "group" | "key"): Promise<Measure> {
  const data = crypto.getRandomValues(new Uint8Array(OPERATION));
  if (of === "key") {
    const key = await DocumentKey.generate();
    const sealed = await key.seal("operation", CHANNEL, data);
    return perOperation(() =>
      what === "seal" ? key.seal("operation", CHANNEL, data) : key.open("operation", CHANNEL, sealed)
    );
  }
  const keys = new EpochKeys();
  keys.begin(1, await (await group(2)).first.secret(), 0);
  const sealed = await keys.seal(1, "operation", CHANNEL, data);
  return perOperation(() =>
    what === "seal" ? keys.seal(1, "operation", CHANNEL, data) : keys.open("operation", CHANNEL, sealed)
  );
}

/** Milliseconds to make a change of a group of so many devices, or for another member to take it. */
export async function change(
  what: "add" | "renew" | "remove",
  side: "made" | "taken" | "joined",
  size: number,
): Promise<Measure> {
  let { first, second } = await group(size);
  const samples: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const newcomer = await member(`newcomer${i}`);
    const devices = first.leaves().map(({ device }) => device);
    const changes = {
      add: what === "add" ? [checked(newcomer)] : [],
      remove: what === "remove" ? [devices.at(-1)!] : [],
    };
    const [making, { commit, welcome, next }] = await timed(() => first.prepare(changes));
    const { message } = readCommit(commit, undefined)!;
    const [taking, step] = await timed(() => second.take(message));
    if (step === undefined || !("next" in step)) throw new Error("a member does not take the change");
    if (side === "joined") samples.push((await timed(() => join(newcomer, welcome!)))[0]);
    else samples.push(side === "made" ? making : taking);
    first = next;
    second = step.next;
  }
  return { value: median(samples) };
}
