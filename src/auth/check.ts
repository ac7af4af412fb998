/**
 * Explains a token: what it says, whether it would be accepted, and everything that speaks against it.
 *
 * @module
 */

import { type ErrorName, type Principal, ProtocolError } from "../protocol/mod.ts";
import { type AuthDeps, createAuthenticator } from "./authenticator.ts";
import { readClaims, timeProblem } from "./claims.ts";
import { type AuthSettings, resolveAuth, type ResolvedAuth } from "./settings.ts";
import { peekPayload, readHeader, type TokenHeader } from "./token.ts";

/** What there is to say about a token. */
export interface TokenReport {
  /** Whether `verify` accepts it. */
  readonly accepted: boolean;
  /** What `verify` answers a refused one with. */
  readonly error?: ErrorName;
  /** Whom an accepted one stands for. */
  readonly principal?: Principal;
  readonly header?: { readonly alg: string; readonly kid?: string };
  /** The payload as it stands there: **not** to be believed unless `accepted`. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Everything that speaks against the token, a sentence each; empty when it is accepted. */
  readonly problems: readonly string[];
}

/** Checks a token as a server with these settings would, and says all that is wrong instead of one thing. */
export async function checkToken(
  token: string,
  settings: AuthSettings,
  deps: AuthDeps = {},
): Promise<TokenReport> {
  const authenticator = createAuthenticator(settings, deps);
  try {
    const principal = await authenticator.verify(token);
    return { accepted: true, principal, ...describe(token), problems: [] };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const now = (deps.now ?? Date.now)();
    const problems = new Set([error.message, ...problemsOf(token, resolveAuth(settings), now)]);
    return { accepted: false, error: error.error, ...describe(token), problems: [...problems] };
  } finally {
    await authenticator.close();
  }
}

function describe(token: string): Pick<TokenReport, "header" | "claims"> {
  const header = tryHeader(token);
  const claims = header && peekPayload(token);
  return {
    ...header ? { header: { alg: header.alg, ...header.kid === undefined ? {} : { kid: header.kid } } } : {},
    ...claims ? { claims } : {},
  };
}

function problemsOf(token: string, settings: ResolvedAuth, now: number): string[] {
  const problems: string[] = [];
  const header = tryHeader(token);
  if (!header) return problems;
  const algorithms = new Set([...settings.keys.map((key) => key.alg), ...settings.jwks?.algorithms ?? []]);
  if (!header.algorithm || !algorithms.has(header.algorithm)) {
    problems.push(
      `alg: the token says ${header.alg.slice(0, 32)}, there are keys for ${[...algorithms].join(", ")}`,
    );
  } else if (header.kid !== undefined && !settings.jwks) {
    const kids = settings.keys.filter((key) => key.alg === header.algorithm).map((key) => key.kid);
    if (!kids.includes(undefined) && !kids.includes(header.kid)) {
      problems.push(`kid: the token asks for ${JSON.stringify(header.kid)}, there is ${kids.join(", ")}`);
    }
  }
  const result = readClaims(peekPayload(token), settings);
  problems.push(...result.problems);
  if (result.claims) {
    const problem = timeProblem(result.claims, now, settings.clockTolerance);
    const { principal, notBefore } = result.claims;
    if (problem === "expired") problems.push(`exp: the token ended at ${date(principal.expiresAt)}`);
    if (problem === "early") problems.push(`nbf: the token begins at ${date(notBefore)}`);
  }
  return problems;
}

function tryHeader(token: string): TokenHeader | undefined {
  try {
    return readHeader(token);
  } catch {
    return undefined;
  }
}

function date(ms: number): string {
  return new Date(ms).toISOString();
}
