/**
 * A program that edits a document with the service and straight with peers, and keeps all it has in a folder: its key,
 * the peers it knows, the document. Commands come as lines, and what happens goes out as lines.
 *
 * @module
 */

import { openDocument } from "../../src/client/documents.ts";
import * as Y from "yjs";
import { Awareness } from "y-protocols/awareness";
import { SkeinClient } from "../../src/client/mod.ts";
import { KnownPeers, knownPeersFile, PeerIdentity, SkeinPeer } from "../../src/client/peer.ts";
import { PeerDocuments } from "../../src/client/peer_yjs.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";

const [url, token, folder] = Deno.args as [string, string, string];
const CHANNEL = "doc:plan";

async function loadIdentity(): Promise<PeerIdentity> {
  try {
    return await PeerIdentity.load(await Deno.readFile(`${folder}/key`));
  } catch {
    const { identity, pkcs8 } = await PeerIdentity.generate();
    await Deno.writeFile(`${folder}/key`, pkcs8);
    return identity;
  }
}

const doc = new Y.Doc();
try {
  Y.applyUpdate(doc, await Deno.readFile(`${folder}/doc`));
} catch { /* The first start. */ }
const client = new SkeinClient({ url, token });
const known = await KnownPeers.open(knownPeersFile(`${folder}/known.json`));
const peer = await SkeinPeer.open(client, { identity: await loadIdentity(), known });
const awareness = new Awareness(doc);
const provider = new SkeinYjsProvider(openDocument(client, CHANNEL), doc, { awareness });
const documents = new PeerDocuments(peer, { onError: (error) => console.error(String(error)) });
const shared = documents.share(CHANNEL, doc, { awareness });
console.log(JSON.stringify({ id: peer.id }));

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const shown = doc.getText("t");
    if (line.startsWith("write ")) shown.insert(shown.length, line.slice(6));
    else if (line === "stop") {
      await Deno.writeFile(`${folder}/doc`, Y.encodeStateAsUpdate(doc));
      await peer.close();
      await client.close();
      Deno.exit(0);
    }
    const { synced } = provider;
    console.log(JSON.stringify({
      text: shown.toString(),
      peers: shared.peers.length,
      synced,
      known: known.with(CHANNEL).length,
    }));
  }
}
