/**
 * Yjs documents over Skein: a provider for `npm:yjs` and `y-protocols`, apart from the SDK so that only those pages
 * carry Yjs that use it.
 *
 * ```ts
 * import * as Y from "yjs";
 * import { openDocument, SkeinYjsProvider } from "@skein/client/yjs";
 *
 * const doc = new Y.Doc();
 * const provider = new SkeinYjsProvider(openDocument(client, "doc:plan"), doc);
 * await provider.ready;
 * doc.getText("text").insert(0, "hello");
 * ```
 *
 * @module
 */

export { SkeinYjsProvider, type YjsProviderEvents, type YjsProviderOptions } from "./yjs/provider.ts";
export * from "./documents.ts";
export { DocumentKey } from "./documents/encryption.ts";
