/**
 * A writer of the lab, in a process of its own: a Yjs document among peers, without any service. Commands come as JSON
 * lines, and what happens goes out the same way.
 *
 * @module
 */

import * as Y from "yjs";
import { edit } from "./edits.ts";
import { PeerDocuments, type SharedDocument } from "../../src/client/peer_yjs.ts";
import { type MeetingServers, PeerIdentity, PeerNode, type Signal } from "../../src/peer/mod.ts";

/** What the test says. */
export type WriterCommand =
  | { do: "share"; peers: string[] }
  | { do: "signal"; from: string; signal: Signal }
  /** Changes the text at random, so many times, with so many ms between. */
  | { do: "write"; times: number; pause: number; seed: number }
  /** Says in the document when that was, so many times. */
  | { do: "stamp"; times: number; pause: number }
  | { do: "read" };

/** What the writer says. */
export type WriterEvent =
  | { on: "open"; id: string }
  | { on: "signal"; to: string; signal: Signal }
  | { on: "path"; peer: string; kind: string | undefined }
  | { on: "written" }
  /** How old a stamp of another writer was when it came, in ms. Both have the clock of one machine. */
  | { on: "stamped"; ms: number }
  | { on: "text"; text: string; peers: number };

const servers: MeetingServers = JSON.parse(Deno.args[0]!);
const say = (event: WriterEvent): void => console.log(JSON.stringify(event));
let hear: (from: string, signal: Signal) => void = () => {};
const { identity } = await PeerIdentity.generate();
const node = await PeerNode.open({
  identity,
  signalling: {
    send: (to, signal) => Promise.resolve(say({ on: "signal", to, signal })),
    onSignal: (listener) => void (hear = listener),
    servers: () => Promise.resolve(servers),
  },
});
node.onConnection((connection) =>
  connection.on({ path: (path) => say({ on: "path", peer: connection.peer, kind: path?.kind }) })
);
const doc = new Y.Doc();
const documents = new PeerDocuments(node);
let shared: SharedDocument | undefined;
say({ on: "open", id: node.id });

const stamps = doc.getMap<number>("stamps");
const now = (): number => performance.timeOrigin + performance.now();
stamps.observe(({ transaction }) => {
  if (!transaction.local) say({ on: "stamped", ms: now() - stamps.get("at")! });
});

async function stamp(times: number, pause: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    stamps.set("at", now());
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  say({ on: "written" });
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const command = JSON.parse(line) as WriterCommand;
    if (command.do === "signal") hear(command.from, command.signal);
    else if (command.do === "share") shared = documents.share("doc:lab", doc, { peers: command.peers });
    else if (command.do === "write") {
      void edit(doc.getText("t"), command).then(() => say({ on: "written" }));
    } else if (command.do === "stamp") void stamp(command.times, command.pause);
    else say({ on: "text", text: doc.getText("t").toString(), peers: shared?.peers.length ?? 0 });
  }
}
