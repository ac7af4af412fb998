/**
 * Claims to a principal. Pure: what a payload says and what is wrong with it; nothing here looks at a
 * signature or a clock.
 *
 * @module
 */

import { type Principal, ProtocolError, type Right, RIGHTS } from "../protocol/mod.ts";

/** Most patterns in one claim, and most rights. Exported for tests. */
export const MAX_PATTERNS = 128;
/** Longest pattern, in characters. */
const MAX_PATTERN_LENGTH = 255;
/** Most `*` in one pattern: each costs a search when a channel is matched. Exported for tests. */
export const MAX_STARS = 8;
/** Largest `info` claim, in UTF-16 units of its JSON text. Exported for tests. */
export const MAX_INFO = 2048;

const SUBJECT = /^[\x21-\x7e]{1,128}$/;
const PATTERN = /^[\x21-\x7e]{1,255}$/;
const BOT = /^[\x21-\x7e]{1,64}$/;
/** The last second a JavaScript Date can hold. */
const MAX_SECONDS = 8.64e12;

/** What claims are held against. */
export interface ClaimRules {
  /** Accepted `iss`; empty: not checked. */
  readonly issuers: readonly string[];
  /** Accepted `aud`; empty: not checked. */
  readonly audiences: readonly string[];
  readonly requireExpiry: boolean;
  readonly defaultChannels: readonly string[];
  readonly defaultRights: readonly Right[];
}

/** What a payload says. */
export interface Claims {
  readonly principal: Principal;
  /** The `nbf` claim in milliseconds since the epoch; `-Infinity` without one. */
  readonly notBefore: number;
}

/** `claims` unless there are `problems`. */
export interface ClaimsResult {
  readonly claims?: Claims;
  /** One short sentence each, without any value of the token. */
  readonly problems: readonly string[];
}

/** Reads a token's payload. Never throws; whether `exp` and `nbf` hold now is `timeProblem`'s matter. */
export function readClaims(payload: unknown, rules: ClaimRules): ClaimsResult {
  if (!isObject(payload)) return { problems: ["the payload is not a JSON object"] };
  const problems: string[] = [];
  const { sub, iss, aud, exp, nbf, iat, jti, bot, info } = payload;

  if (typeof sub !== "string" || !SUBJECT.test(sub)) {
    problems.push("sub: 1 to 128 printable ASCII characters without spaces");
  }
  if (rules.issuers.length > 0 && !(typeof iss === "string" && rules.issuers.includes(iss))) {
    problems.push("iss: not an accepted issuer");
  }
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (rules.audiences.length > 0 && !audiences.some((a) => rules.audiences.includes(a))) {
    problems.push("aud: not an accepted audience");
  }
  if (exp === undefined ? rules.requireExpiry : !isSeconds(exp)) {
    problems.push(exp === undefined ? "exp: required" : "exp: seconds since the epoch");
  }
  if (nbf !== undefined && !isSeconds(nbf)) problems.push("nbf: seconds since the epoch");
  if (bot !== undefined && (typeof bot !== "string" || !BOT.test(bot))) {
    problems.push("bot: 1 to 64 printable ASCII characters without spaces");
  }
  if (info !== undefined && (!isObject(info) || JSON.stringify(info).length > MAX_INFO)) {
    problems.push(`info: an object of at most ${MAX_INFO} characters as JSON`);
  }
  const peers = readPatterns("peers", payload.peers, problems);
  const access = readAccess(payload, rules, problems);
  const rights = readRights(payload.rights, rules.defaultRights, problems);
  if (problems.length > 0) return { problems };

  const principal: Principal = {
    userId: sub as string,
    expiresAt: exp === undefined ? Infinity : (exp as number) * 1000,
    subscribe: access.subscribe,
    publish: access.publish,
    rights,
    ...typeof jti === "string" ? { tokenId: jti } : {},
    ...isSeconds(iat) ? { issuedAt: iat * 1000 } : {},
    ...bot !== undefined ? { bot: bot as string } : {},
    ...peers.length > 0 ? { peers } : {},
    ...info !== undefined ? { info: freeze(info as Record<string, unknown>) } : {},
  };
  const notBefore = nbf === undefined ? -Infinity : (nbf as number) * 1000;
  // One principal serves every connection that shows the same token, so nobody may change it.
  return { claims: { principal: Object.freeze(principal), notBefore }, problems };
}

/** Claims that may take the place of those of a token. Absent ones stay. */
export interface ClaimChanges {
  /** Milliseconds since the epoch; Infinity: never. */
  readonly expiresAt?: number;
  /** Any of the three replaces all patterns. */
  readonly channels?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly publish?: readonly string[];
  readonly rights?: readonly string[];
  readonly info?: Readonly<Record<string, unknown>>;
}

/** `principal` with other claims, checked as those of a token. Throws ProtocolError `bad_payload`. */
export function withClaims(principal: Principal, { expiresAt, ...claims }: ClaimChanges): Principal {
  const none = { requireExpiry: false, issuers: [], audiences: [], defaultChannels: [], defaultRights: [] };
  const { claims: read, problems } = readClaims({ ...claims, sub: principal.userId }, none);
  if (read === undefined) throw new ProtocolError("bad_payload", problems[0]);
  const { subscribe, publish, rights, info } = read.principal;
  const { channels, subscribe: onlyRead, publish: onlySaid } = claims;
  return Object.freeze({
    ...principal,
    ...expiresAt === undefined ? {} : { expiresAt },
    ...(channels ?? onlyRead ?? onlySaid) === undefined ? {} : { subscribe, publish },
    ...claims.rights === undefined ? {} : { rights },
    ...info === undefined ? {} : { info },
  });
}

/** Claims that are added to those of a token. */
export type ClaimAdditions = Omit<ClaimChanges, "expiresAt">;

/**
 * `principal` with more claims: patterns and rights join those it has, fields of `info` replace those of the same name.
 * The limits of a token's claims hold for all together. Throws ProtocolError `bad_payload`.
 */
export function withMoreClaims(principal: Principal, more: ClaimAdditions): Principal {
  const { channels = [], subscribe = [], publish = [], rights = [], info } = more;
  // What is added is checked alone first: `union` takes lists.
  withClaims(principal, more);
  return withClaims(principal, {
    subscribe: union(principal.subscribe, union(channels, subscribe)),
    publish: union(principal.publish, union(channels, publish)),
    rights: [...principal.rights, ...rights],
    ...info === undefined ? {} : { info: { ...principal.info, ...info } },
  });
}

/** Whether the token may be used at `now` (milliseconds since the epoch), give or take `tolerance`. */
export function timeProblem(claims: Claims, now: number, tolerance: number): "expired" | "early" | undefined {
  if (now >= claims.principal.expiresAt + tolerance) return "expired";
  if (now < claims.notBefore - tolerance) return "early";
  return undefined;
}

/** Why `pattern` is no channel pattern; `undefined` when it is one. */
export function patternProblem(pattern: unknown): string | undefined {
  if (typeof pattern !== "string" || !PATTERN.test(pattern)) {
    return `a pattern is 1 to ${MAX_PATTERN_LENGTH} printable ASCII characters without spaces`;
  }
  return pattern.split("*").length - 1 > MAX_STARS ? `at most ${MAX_STARS} * in a pattern` : undefined;
}

// `channels` is for both ways; `subscribe` and `publish` add to it. The defaults stand in only when a token
// says nothing at all, so a token can also allow nothing: `channels: []`.
function readAccess(
  payload: Record<string, unknown>,
  rules: ClaimRules,
  problems: string[],
): { subscribe: readonly string[]; publish: readonly string[] } {
  const { channels, subscribe, publish } = payload;
  if (channels === undefined && subscribe === undefined && publish === undefined) {
    return { subscribe: rules.defaultChannels, publish: rules.defaultChannels };
  }
  const both = readPatterns("channels", channels, problems);
  const only = readPatterns("subscribe", subscribe, problems);
  const more = readPatterns("publish", publish, problems);
  return { subscribe: union(both, only), publish: union(both, more) };
}

function readPatterns(name: string, value: unknown, problems: string[]): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_PATTERNS) {
    problems.push(`${name}: an array of at most ${MAX_PATTERNS} patterns`);
    return [];
  }
  for (const pattern of value) {
    const problem = patternProblem(pattern);
    if (!problem) continue;
    problems.push(`${name}: ${problem}`);
    return [];
  }
  return value;
}

function readRights(value: unknown, defaults: readonly Right[], problems: string[]): ReadonlySet<Right> {
  if (value === undefined) return new Set(defaults);
  if (
    !Array.isArray(value) || value.length > MAX_PATTERNS || value.some((right) => typeof right !== "string")
  ) {
    problems.push(`rights: an array of at most ${MAX_PATTERNS} names`);
    return new Set();
  }
  return new Set(RIGHTS.filter((right) => value.includes(right)));
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  return Object.freeze([...new Set([...a, ...b])]);
}

function isSeconds(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_SECONDS;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) freeze(inner);
  return Object.freeze(value);
}
