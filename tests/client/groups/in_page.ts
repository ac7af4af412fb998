/** What a page with a group is made of, in one file. */

import * as Y from "yjs";
import { openDocument } from "../../../src/client/documents.ts";
import { indexedDbGroupStorage, SkeinGroups } from "../../../src/client/groups.ts";
import { SkeinClient } from "../../../src/client/mod.ts";
import { SkeinYjsProvider } from "../../../src/client/yjs.ts";

/** What the test asks of the page. */
export interface GroupPage {
  device: string;
  /** The text of the document. */
  text(): string;
  insert(text: string): void;
  epoch(): number;
  authenticator(): string | undefined;
  safetyCode(user: string): Promise<string>;
  /** Whether the keys that the browser keeps can be taken out of it. */
  exportable(): Promise<boolean>;
  /** What the database has, as text. */
  stored(): Promise<string>;
}

/** Opens a device of a user in this page, and the document of its group once it is let in. */
export async function openGroupPage(
  options: { url: string; token: string; channel: string },
): Promise<GroupPage> {
  const client = new SkeinClient({ url: options.url, token: options.token });
  await client.connect();
  const groups = await SkeinGroups.open(client, { storage: indexedDbGroupStorage() });
  const group = await groups.group(options.channel);
  const doc = new Y.Doc();
  void group.ready.then(() =>
    group.follow(new SkeinYjsProvider(openDocument(client, options.channel, { key: group.cipher }), doc))
  );
  const all = async (store: string): Promise<unknown[]> => {
    const database = await answer(indexedDB.open("skein-groups"));
    return await answer(database.transaction(store).objectStore(store).getAll());
  };
  return {
    device: groups.device,
    text: () => doc.getText("t").toString(),
    insert: (text) => doc.getText("t").insert(0, text),
    epoch: () => group.epoch ?? -1,
    authenticator: () => group.authenticator,
    safetyCode: (user) => group.safetyCode(user),
    async exportable() {
      const keys = (await all("keys")).flatMap((key) =>
        key instanceof CryptoKey ? [key] : Object.values(key as object)
      );
      const secret = (keys as CryptoKey[]).filter(({ type }) => type !== "public");
      if (secret.length !== 2) throw new Error(`${secret.length} keys`);
      return secret.some(({ extractable }) => extractable);
    },
    stored: async () =>
      (await all("values")).map((value) => new TextDecoder("latin1").decode(value as Uint8Array<ArrayBuffer>))
        .join("\n"),
  };
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
