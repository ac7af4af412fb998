/**
 * What a page of the tests loads: a document shared with other pages, and with the service.
 *
 * @module
 */

import * as Y from "yjs";
import { Awareness } from "y-protocols/awareness";
import { openDocument } from "../../src/client/documents.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import { BrowserPeer, type BrowserPeerOptions, storedIdentity } from "../../src/client/peer_browser.ts";
import { PeerDocuments } from "../../src/client/peer_yjs.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";

/** How a page joins. */
export interface PageOptions {
  readonly url: string;
  readonly token: string;
  readonly peer?: Pick<BrowserPeerOptions, "relayOnly">;
}

/** Opens the document, and returns what tests look at. */
async function join({ url, token, peer: options }: PageOptions) {
  const client = new SkeinClient({ url, token });
  const errors: string[] = [];
  const peer = await BrowserPeer.open(client, {
    ...options,
    identity: await storedIdentity(),
    onError: (error) => void errors.push(`${error.code}: ${error.message}`),
  });
  const failures: string[] = [];
  peer.onConnection((connection) => {
    connection.on({
      state: (state, error) => state === "failed" && failures.push(error!.message),
    });
  });
  await peer.announced();
  const doc = new Y.Doc(), awareness = new Awareness(doc);
  const provider = new SkeinYjsProvider(openDocument(client, "doc:plan"), doc, { awareness });
  const documents = new PeerDocuments(peer, { onError: (error) => void errors.push(String(error)) });
  const shared = documents.share("doc:plan", doc, { awareness });
  const text = doc.getText("t");
  return {
    client,
    peer,
    provider,
    shared,
    errors,
    get text() {
      return text.toString();
    },
    /** Why attempts have failed. */
    failures,
    get remotes() {
      return [...peer.connections.values()].map(({ path }) => path?.remote.hostname);
    },
    get paths() {
      return [...peer.connections.values()].map(({ path }) => path?.kind);
    },
    write: (more: string) => text.insert(text.length, more),
  };
}

/** What the page holds. */
export type Joined = Awaited<ReturnType<typeof join>>;

Object.assign(globalThis, { join });
