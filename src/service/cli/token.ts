/**
 * `skein token`
 *
 * @module
 */

import type { SigningKey, TokenClaims } from "../../auth/mod.ts";
import { RIGHTS } from "../../protocol/principal.ts";
import type { Config } from "../config/mod.ts";
import { parseDuration } from "../config/units.ts";
import { type Arguments, HELP, UsageError } from "./arguments.ts";
import { type Command, CONFIG, EXIT, type Io, loadFor, reportProblems, valueOf } from "./command.ts";

const CLAIMS = ["expires", "channels", "subscribe", "publish", "rights", "peers", "bot", "info"] as const;

function parts(args: Arguments, name: string): string[] | undefined {
  return valueOf(args, name)?.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function claimsOf(args: Arguments, user: string): TokenClaims {
  const expires = valueOf(args, "expires") ?? "1h";
  const expiresIn = expires === "never" ? null : parseDuration(expires);
  if (expiresIn === undefined) {
    throw new UsageError(`--expires: "${expires}" is not a duration such as "1h", nor "never"`);
  }
  const info = valueOf(args, "info");
  let parsed: unknown;
  try {
    parsed = info === undefined ? undefined : JSON.parse(info);
  } catch {
    throw new UsageError("--info: must be JSON");
  }
  const rights = parts(args, "rights");
  const wrong = rights?.find((right) => !(RIGHTS as readonly string[]).includes(right));
  if (wrong !== undefined) throw new UsageError(`--rights: "${wrong}" is none of ${RIGHTS.join(", ")}`);
  // The signer checks all other claims and names those that are wrong.
  return {
    sub: user,
    expiresIn,
    channels: parts(args, "channels"),
    subscribe: parts(args, "subscribe"),
    publish: parts(args, "publish"),
    rights: rights as TokenClaims["rights"],
    peers: parts(args, "peers"),
    bot: valueOf(args, "bot"),
    info: parsed as TokenClaims["info"],
  };
}

async function algorithmOf(pem: string): Promise<"RS256" | "ES256" | "EdDSA"> {
  const { createPrivateKey } = await import("node:crypto");
  let type: string | undefined;
  try {
    type = createPrivateKey(pem).asymmetricKeyType;
  } catch {
    type = undefined;
  }
  const algorithm = ({ rsa: "RS256", ec: "ES256", ed25519: "EdDSA" } as const)[type ?? ""];
  if (algorithm === undefined) {
    throw new UsageError("--private-key: must be an RSA, EC or Ed25519 private key in PEM");
  }
  return algorithm;
}

/** The key to sign with: a private key that was named, or the first shared secret that is configured. */
async function signingKey(args: Arguments, config: Config): Promise<SigningKey> {
  const { readMaterial, readSecret } = await import("../config/material.ts");
  const kid = valueOf(args, "kid");
  const path = valueOf(args, "private-key");
  if (path !== undefined) {
    const privateKey = await readMaterial(path, "--private-key");
    const alg = await algorithmOf(privateKey);
    return { alg, privateKey, kid: kid ?? config.auth.keys.find((key) => key.alg === alg)?.kid };
  }
  for (const [index, key] of config.auth.keys.entries()) {
    if (key.alg !== "HS256" || (kid !== undefined && key.kid !== kid)) continue;
    const secret = key.secret ?? await readSecret(key.secretFile ?? "", `auth.keys.${index}.secretFile`);
    return { alg: "HS256", secret, kid: key.kid };
  }
  throw new UsageError(
    "no key to sign with: auth.keys has no HS256 key" + (kid === undefined ? "" : ` with kid "${kid}"`) +
      "; configure one or name a --private-key. A development server without keys makes tokens by POST /dev/token.",
  );
}

async function make(args: Arguments, config: Config, user: string, io: Io): Promise<number> {
  const { createTokenSigner } = await import("../../auth/mod.ts");
  const { issuer, audience } = config.auth;
  const signer = createTokenSigner({
    key: await signingKey(args, config),
    issuer: issuer[0],
    audience: audience[0],
  });
  io.out(`${await signer.sign(claimsOf(args, user))}\n`);
  return EXIT.ok;
}

async function check(given: string, config: Config, io: Io): Promise<number> {
  const { checkToken } = await import("../../auth/mod.ts");
  const { toAuthSettings } = await import("../tokens/settings.ts");
  if (config.auth.keys.length === 0 && config.auth.jwks === null) {
    throw new UsageError("no key to check with: configure auth.keys or auth.jwks");
  }
  const token = given === "-" ? (await io.input()).trim() : given;
  const { principal, ...report } = await checkToken(token, await toAuthSettings(config));
  const shown = principal === undefined ? report : {
    ...report,
    principal: {
      ...principal,
      rights: [...principal.rights],
      expiresAt: Number.isFinite(principal.expiresAt) ? new Date(principal.expiresAt).toISOString() : null,
    },
  };
  io.out(`${JSON.stringify(shown, null, 2)}\n`);
  return report.accepted ? EXIT.ok : EXIT.failed;
}

/** Makes and checks tokens. */
export const token: Command = {
  usage: "[options] USER | --check TOKEN",
  text:
    "Makes a token for a user with a key of the configuration, or says whether a token would be accepted.",
  options: [
    { name: "check", value: "TOKEN", text: "Check this token; `-` reads it from standard input." },
    {
      name: "expires",
      value: "TIME",
      text: 'How long it is good for, such as "1h", or "never". Default: 1h.',
    },
    {
      name: "channels",
      value: "LIST",
      text: "Channel patterns to subscribe and publish to, with commas between.",
    },
    { name: "subscribe", value: "LIST", text: "Channel patterns to subscribe to." },
    { name: "publish", value: "LIST", text: "Channel patterns to publish to." },
    { name: "rights", value: "LIST", text: "Rights, with commas between." },
    {
      name: "peers",
      value: "LIST",
      text: "Patterns of users whose devices this user's may reach directly; both must agree.",
    },
    { name: "bot", value: "NAME", text: "The bot this user answers as." },
    { name: "info", value: "JSON", text: "What others are shown of the user: an object." },
    { name: "kid", value: "ID", text: "Sign with the key of this id." },
    {
      name: "private-key",
      value: "FILE",
      text: "Sign with this private key (PEM) instead of a shared secret.",
    },
    CONFIG,
    HELP,
  ],
  settings: true,
  rest: 1,
  async run(args, io) {
    const given = valueOf(args, "check");
    const [user] = args.rest;
    if ((given === undefined) === (user === undefined)) throw new UsageError("needs USER or --check TOKEN");
    const claim = CLAIMS.find((name) => args.options.has(name));
    if (given !== undefined && claim !== undefined) throw new UsageError(`--${claim}: not with --check`);
    const { config, problems } = await loadFor(args, io);
    if (config === undefined) {
      reportProblems(problems, io);
      return EXIT.failed;
    }
    try {
      return given === undefined ? await make(args, config, user!, io) : await check(given, config, io);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      // Claims or keys that cannot be used: the message names what is wrong and holds no secret.
      io.err(`${error instanceof Error ? error.message : String(error)}\n`);
      return EXIT.failed;
    }
  },
};
