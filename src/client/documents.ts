/**
 * Documents that several write at once, apart from the SDK so that only those pages carry them that use them: operations
 * once and in order, snapshots, awareness, and an outbox for what is said offline. `@skein/client/yjs` has the same door
 * and a provider for Yjs beside it.
 *
 * ```ts
 * import { openDocument } from "@skein/client/documents";
 *
 * const document = openDocument(client, "doc:plan");
 * document.on("operation", ({ data }) => apply(data));
 * ```
 *
 * @module
 */

export { Document } from "./documents/document.ts";
export type { Cipher, SealedKind } from "./documents/encryption.ts";
export type { DocumentEvents, DocumentOptions, Operation } from "./documents/events.ts";
export { openDocument } from "./documents/open.ts";
