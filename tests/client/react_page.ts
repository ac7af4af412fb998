/**
 * The files of a page in React, as an application has them, and their types: a chat, who is there, a document that is
 * edited with Yjs and kept in the browser.
 *
 * @module
 */

import type {
  ChannelState,
  CommandState,
  DocumentState,
  PresenceState,
  TypingState,
} from "../../src/client/react.ts";
import type { ClientState, SkeinClient } from "../../src/client/mod.ts";

/** What the page leaves for the test to look at, as `globalThis.page`. */
export interface ReactPage {
  readonly client: SkeinClient;
  /** What the components showed last. */
  readonly shown: {
    status?: ClientState["status"];
    room?: ChannelState;
    people?: PresenceState;
    typing?: TypingState;
    plan?: DocumentState;
    answer?: CommandState;
  };
  /** Texts of the answer that were shown, one after another. */
  readonly answers: string[];
  /** How often the effects of a component ran: twice each time in StrictMode. */
  readonly effects: number;
  /** Messages that `onMessage` was called with. */
  readonly told: string[];
  readonly connections: string[];
  /** Puts the provider on the page or takes it off. */
  show(isShown: boolean): void;
  /** Puts the room on the page or takes it off; the provider stays. */
  showRoom(isShown: boolean): void;
  /** Whether the local copy of the Yjs document has been loaded. */
  readonly loaded: boolean;
  readonly text: string;
  write(text: string): void;
}

const APP = `
import { type ReactNode, useEffect } from "react";
import type { SkeinClient } from "@skein/client";
import {
  SkeinProvider, useChannel, useCommand, useDocument, usePresence, useSkein, useSkeinState, useTyping,
} from "@skein/client/react";
import { look } from "./look";

function Room(): ReactNode {
  const { messages, status, error, publish, channel } = useChannel("chat:room", {
    history: 2,
    onMessage: ({ text }) => look.told.push(text!),
  });
  // Another component on the same channel.
  const again = useChannel("chat:room");
  look.shown.room = { messages, status, error };
  useEffect(() => void look.effects++, []);
  const say = (): void => void publish("by a button");
  return (
    <section>
      <h2>{channel.name} {status} {again.status}</h2>
      {messages.map(({ id, from, text, edited, stream }) => (
        <p key={id} aria-busy={stream === "open"}>{from}: {text}{edited && " (edited)"}</p>
      ))}
      <button id="say" onClick={say}>say</button>
    </section>
  );
}

function People(): ReactNode {
  const people = look.shown.people = usePresence("chat:room");
  const typing = look.shown.typing = useTyping("chat:room");
  return <ul onClick={() => typing.typing()}>{people.users.map(({ userId }) => <li key={userId}>{userId}</li>)}</ul>;
}

function Assistant(): ReactNode {
  const { run, say, clear, ...answer } = useCommand();
  look.shown.answer = answer;
  if (look.answers.at(-1) !== answer.text) look.answers.push(answer.text);
  const ask = (): void => run({ bot: "assistant", command: "answer", args: { question: "what is it?" } });
  return (
    <article aria-busy={answer.status === "asked" || answer.status === "answering"}>
      <button id="ask" onClick={ask}>ask</button>
      <button id="type" onClick={() => void say("chat:room", "/assistant answer why?")}>type</button>
      <button id="clear" onClick={clear}>clear</button>
      <p id="answer">{answer.progress?.text} {answer.text} {answer.error?.message}</p>
    </article>
  );
}

function Status(): ReactNode {
  const status = look.shown.status = useSkeinState((state) => state.status);
  const { pending } = useSkeinState();
  return <output>{status}, {pending} waiting, {typeof useSkein().connect}</output>;
}

function Plan(): ReactNode {
  const { document, synced } = look.shown.plan = useDocument("doc:raw");
  return <i>{document === null ? "no document" : document.name}{synced && " in step"}</i>;
}

export function App({ client, room = true }: { client: SkeinClient; room?: boolean }): ReactNode {
  return <SkeinProvider client={client}><Status />{room && <Room />}<People /><Plan /><Assistant /></SkeinProvider>;
}
`;

const LOOK = `
export const look: any = { shown: {}, effects: 0, told: [], answers: [], connections: [], loaded: false };
`;

const MAIN = `
import { StrictMode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import { SkeinClient } from "@skein/client";
import { openDocument, SkeinYjsProvider } from "@skein/client/yjs";
import { App } from "./app";
import { look } from "./look";

const { url, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const client = new SkeinClient({ url: url!, token: token!, autoConnect: false });
client.on("connected", ({ connectionId }) => look.connections.push(connectionId));
const element = document.getElementById("app")!;
const root = element.firstElementChild !== null
  ? hydrateRoot(element, <StrictMode><App client={client} /></StrictMode>)
  : createRoot(element);
const render = (shown: boolean, room: boolean): void =>
  flushSync(() => root.render(shown && <StrictMode><App client={client} room={room} /></StrictMode>));
if (element.firstElementChild === null) render(true, true);

const doc = new Y.Doc();
const local = new IndexeddbPersistence("plan", doc);
void local.whenSynced.then(() => look.loaded = true);
const provider = new SkeinYjsProvider(openDocument(client, "doc:plan"), doc);
Object.assign(look, {
  client,
  show: (shown: boolean) => render(shown, true),
  showRoom: (shown: boolean) => render(true, shown),
  write: (text: string) => doc.getText("t").insert(doc.getText("t").length, text),
});
Object.defineProperty(look, "text", { get: () => doc.getText("t").toString() });
Object.defineProperty(look, "synced", { get: () => provider.synced });
Object.assign(globalThis, { page: look });
`;

const SERVER = `
import { renderToString } from "react-dom/server";
import { SkeinClient } from "@skein/client";
import { App } from "./app";
const client = new SkeinClient({ url: "http://127.0.0.1:9/", token: "t", autoConnect: false });
console.log(renderToString(<App client={client} />));
`;

/** The page's files, by name. */
export const REACT_FILES: Readonly<Record<string, string>> = {
  "app.tsx": APP,
  "look.ts": LOOK,
  "main.tsx": MAIN,
  "server.tsx": SERVER,
  "index.html":
    '<!doctype html><link rel="icon" href="data:,"><div id="app"><!--app--></div><script type="module" src="/main.tsx"></script>',
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "es2022",
      module: "esnext",
      moduleResolution: "bundler",
      lib: ["es2022", "dom", "dom.iterable"],
      jsx: "react-jsx",
      strict: true,
      noEmit: true,
      types: [],
    },
    include: ["*.tsx", "*.ts"],
  }),
};

/** What the page needs beside the SDK. */
export const REACT_PACKAGES: Readonly<Record<string, string>> = {
  react: "^19.0.0",
  "react-dom": "^19.0.0",
  "@types/react": "^19.0.0",
  "@types/react-dom": "^19.0.0",
  yjs: "^13.6.0",
  "y-protocols": "^1.0.6",
  "y-indexeddb": "^9.0.12",
  typescript: "^5.8.0",
  vite: "^6.3.0",
};
