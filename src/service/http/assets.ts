/**
 * The files of the page and the dashboard. They are embedded in the program, so no path can reach other files.
 *
 * @module
 */

import adminCss from "../../web/admin.css" with { type: "text" };
import adminHtml from "../../web/admin.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import adminJs from "../../web/admin.js" with { type: "text" };
import apiDocsCss from "../../web/api_docs.css" with { type: "text" };
import apiDocsHtml from "../../web/api_docs.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import apiDocsJs from "../../web/api_docs.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import commandsJs from "../../web/commands.js" with { type: "text" };
import documentCss from "../../web/document.css" with { type: "text" };
import documentHtml from "../../web/document.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import documentJs from "../../web/document.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import domJs from "../../web/dom.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import editorJs from "../../web/editor.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import filesJs from "../../web/files.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import joinJs from "../../web/join.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import messagesJs from "../../web/messages.js" with { type: "text" };
import pageHtml from "../../web/page.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import pageJs from "../../web/page.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import peersJs from "../../web/peers.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import readingJs from "../../web/reading.js" with { type: "text" };
import styleCss from "../../web/style.css" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import textJs from "../../web/text.js" with { type: "text" };

import { type AnswerSource, sharedBytes } from "./answers.ts";
import { acceptsGzip, gzipped, unzipped } from "./compression.ts";
import { answerWith, type Ctx } from "./context.ts";
import type { HttpDeps } from "./deps.ts";
import { OWN_HOST_POLICY } from "./headers.ts";

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** A file that is served as it is. */
interface Asset {
  /** The text, or what reads its bytes when it is first asked for; undefined: it is not there. */
  readonly body: string | (() => Promise<Uint8Array | undefined>);
  readonly type: string;
  /** Pages of any origin may load it. @default false */
  readonly everywhere?: boolean;
  /** For those who look for faults in the SDK: served only where that is wanted. @default false */
  readonly sourceMap?: boolean;
  /** The bytes are compressed already. @default false */
  readonly isCompressed?: boolean;
  /** A Content-Security-Policy of its own. @default that of all answers */
  readonly policy?: string;
}

/** What `deno task build:client` made, which `start` and `compile` run first. */
const BUILT = new URL("../../../dist/", import.meta.url);

async function built(name: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(new URL(name, BUILT));
  } catch {
    return undefined;
  }
}

function scripts(texts: Record<string, string>): Record<string, Asset> {
  return Object.fromEntries(Object.entries(texts).map(([path, body]) => [path, { body, type: SCRIPT }]));
}

function bundle(name: string): Record<string, Asset> {
  const map = `${name}.map`;
  return {
    [`/${name}`]: { body: () => built(name), type: SCRIPT, everywhere: true },
    [`/${map}`]: {
      body: () => built(map),
      type: "application/json",
      everywhere: true,
      sourceMap: true,
    },
  };
}

/** Files of the pages, by path. */
export const PAGE_ASSETS: Readonly<Record<string, Asset>> = {
  "/": { body: pageHtml, type: HTML },
  "/document": { body: documentHtml, type: HTML },
  "/style.css": { body: styleCss, type: STYLE },
  "/document.css": { body: documentCss, type: STYLE },
  ...scripts({
    "/page.js": pageJs,
    "/document.js": documentJs,
    "/dom.js": domJs,
    "/editor.js": editorJs,
    "/files.js": filesJs,
    "/join.js": joinJs,
    "/commands.js": commandsJs,
    "/messages.js": messagesJs,
    "/peers.js": peersJs,
    "/reading.js": readingJs,
    "/text.js": textJs,
  }),
  ...bundle("skein.js"),
  ...bundle("skein-yjs.js"),
};

function viewer(name: string, type: string): Asset {
  return { body: () => built(`${name}.gz`), type, isCompressed: true };
}

/** The page of the server API, by path. */
export const API_DOCS_ASSETS: Readonly<Record<string, Asset>> = {
  "/api/docs": { body: apiDocsHtml, type: HTML, policy: OWN_HOST_POLICY },
  "/api/docs/page.css": { body: apiDocsCss, type: STYLE },
  "/api/docs/page.js": { body: apiDocsJs, type: SCRIPT },
  "/api/docs/swagger-ui.css": viewer("swagger-ui.css", STYLE),
  "/api/docs/swagger-ui.js": viewer("swagger-ui.js", SCRIPT),
  "/api/docs/licenses.txt": viewer("swagger-ui.licenses.txt", "text/plain; charset=utf-8"),
};

/** Files of the dashboard, by path. They hold no figures; the page fetches them with a key. */
export const ADMIN_ASSETS: Readonly<Record<string, Asset>> = {
  "/admin": { body: adminHtml, type: HTML },
  "/admin.css": { body: adminCss, type: STYLE },
  "/admin.js": { body: adminJs, type: SCRIPT },
  "/style.css": PAGE_ASSETS["/style.css"]!,
};

/** A file as it travels. */
interface Form {
  /** The one copy that all answers share. */
  readonly source: AnswerSource;
  /** A strong entity tag (RFC 9110 §8.8.3): the SHA-256 of the body. */
  readonly etag: string;
}

interface Loaded {
  readonly gzip: Form;
  plain(): Promise<Form>;
}

const loaded = new WeakMap<Asset, Promise<Loaded | undefined>>();

function load(asset: Asset): Promise<Loaded | undefined> {
  let entry = loaded.get(asset);
  if (entry === undefined) {
    entry = read(asset);
    loaded.set(asset, entry);
    // A file that is not built yet may be there at the next request.
    void entry.then((found) => found === undefined && loaded.delete(asset));
  }
  return entry;
}

async function read({ body, isCompressed = false }: Asset): Promise<Loaded | undefined> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : await body();
  if (bytes === undefined) return undefined;
  // A client that takes no gzip is rare: what is compressed already is kept in that form alone until one comes.
  let plain = isCompressed ? undefined : formOf(bytes);
  return {
    gzip: await formOf(isCompressed ? bytes : gzipped(bytes)),
    plain: () => plain ??= formOf(unzipped(bytes)),
  };
}

async function formOf(bytes: Uint8Array): Promise<Form> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return {
    source: sharedBytes(bytes),
    etag: `"${new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true })}"`,
  };
}

/** Answers a GET or HEAD for `asset`; 304 when the client has it, 404 when it was not built, 503 when there is no room. */
export async function assetResponse(asset: Asset, c: Ctx, deps: HttpDeps): Promise<Response> {
  const entry = asset.sourceMap === true && !deps.settings().sourceMaps ? undefined : await load(asset);
  if (entry === undefined) return new Response("not built: run `deno task build:client`\n", { status: 404 });
  const isGzip = acceptsGzip(c.req.raw.headers.get("accept-encoding"));
  const { source, etag } = isGzip ? entry.gzip : await entry.plain();
  const headers: Record<string, string> = { etag, "cache-control": "no-cache", vary: "accept-encoding" };
  if (asset.policy !== undefined) headers["content-security-policy"] = asset.policy;
  if (asset.everywhere === true) headers["access-control-allow-origin"] = "*";
  const known = c.req.raw.headers.get("if-none-match");
  if (
    known !== null && known.split(",").some((t) => t.trim().replace(/^W\//, "") === etag || t.trim() === "*")
  ) {
    return new Response(null, { status: 304, headers });
  }
  if (isGzip) headers["content-encoding"] = "gzip";
  return answerWith(source, c, deps, { ...headers, "content-type": asset.type });
}
