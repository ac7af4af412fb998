/**
 * The claims of a verified token (PROTOCOL.md, "Tokens"). Signatures are checked in `auth/`.
 *
 * @module
 */

/** Rights that a token or the configuration may grant, beside those on channels. */
export const RIGHTS = ["broadcast", "client_list", "direct_message", "admin"] as const;
/** A right. */
export type Right = typeof RIGHTS[number];

/** The bearer of a verified token. */
export interface Principal {
  /** The `sub` claim. */
  readonly userId: string;
  /** The `exp` claim in milliseconds since the epoch; `Infinity` when the token does not expire. */
  readonly expiresAt: number;
  /** The `jti` claim: names the token, so that it can be revoked. */
  readonly tokenId?: string;
  /** The `iat` claim in milliseconds since the epoch. */
  readonly issuedAt?: number;
  /** Channel patterns that may be subscribed to; `*` matches any run of characters. */
  readonly subscribe: readonly string[];
  /** Channel patterns that may be published to. */
  readonly publish: readonly string[];
  readonly rights: ReadonlySet<Right>;
  /** The `bot` claim: the name under which this user's connections answer bot commands. */
  readonly bot?: string;
  /** The `peers` claim: patterns of the users whose peers may be met, besides the user's own. @default none */
  readonly peers?: readonly string[];
  /** The `info` claim: shown to others in presence. */
  readonly info?: Readonly<Record<string, unknown>>;
}
