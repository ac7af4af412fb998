/**
 * What the groups use of `ts-mls` (RFC 9420). Its modules are named one by one: its main module also loads packages that
 * this cipher suite does not need.
 *
 * @module
 */

export { createCommit } from "ts-mls/createCommit.js";
export {
  type ClientState,
  createGroup,
  decodeGroupState,
  encodeGroupState,
  joinGroup,
} from "ts-mls/clientState.js";
export type { ClientConfig } from "ts-mls/clientConfig.js";
export { type CiphersuiteImpl, getCiphersuiteFromName } from "ts-mls/crypto/ciphersuite.js";
export { getCiphersuiteImpl } from "ts-mls/crypto/getCiphersuiteImpl.js";
export {
  generateKeyPackageWithKey,
  type KeyPackage,
  makeKeyPackageRef,
  type PrivateKeyPackage,
  verifyKeyPackage,
} from "ts-mls/keyPackage.js";
export { defaultKeyPackageEqualityConfig } from "ts-mls/keyPackageEqualityConfig.js";
export { mlsExporter } from "ts-mls/keySchedule.js";
export type { LeafNode } from "ts-mls/leafNode.js";
export { decodeMlsMessage, encodeMlsMessage } from "ts-mls/message.js";
export { defaultPaddingConfig } from "ts-mls/paddingConfig.js";
export type { PrivateMessage } from "ts-mls/privateMessage.js";
export { processPrivateMessage } from "ts-mls/processMessages.js";
export type { Proposal } from "ts-mls/proposal.js";
export { emptyPskIndex } from "ts-mls/pskIndex.js";
export type { Welcome } from "ts-mls/welcome.js";
