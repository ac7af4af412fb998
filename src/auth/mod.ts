/**
 * Tokens: keys, verification, claims to a principal; making tokens. Knows no connection and no transport.
 *
 * @module
 */

export {
  type AuthDeps,
  type AuthStatus,
  createAuthenticator,
  type TokenAuthenticator,
} from "./authenticator.ts";
export type { ClaimChanges } from "./claims.ts";
export { checkToken, type TokenReport } from "./check.ts";
export type { JwksStatus } from "./jwks.ts";
export {
  type Algorithm,
  ALGORITHMS,
  authProblems,
  type AuthSettings,
  AuthSettingsError,
  type JwksSettings,
  type KeySettings,
  MIN_SECRET_BYTES,
  type PublicAlgorithm,
} from "./settings.ts";
export {
  createTokenSigner,
  type SignerSettings,
  type SigningKey,
  type TokenClaims,
  type TokenSigner,
} from "./signer.ts";
export { MAX_TOKEN_LENGTH } from "./token.ts";
