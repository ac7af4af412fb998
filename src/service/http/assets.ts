/**
 * The files of the page and the dashboard, embedded in the program: there is no directory to get out of.
 *
 * @module
 */

import adminCss from "../../web/admin.css" with { type: "text" };
import adminHtml from "../../web/admin.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import adminJs from "../../web/admin.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import connectionJs from "../../web/connection.js" with { type: "text" };
import pageHtml from "../../web/page.html" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import pageJs from "../../web/page.js" with { type: "text" };
// deno-lint-ignore rooms/imports -- embedded as text, no code of this room
import wireJs from "../../web/wire.js" with { type: "text" };
import styleCss from "../../web/style.css" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** A file that is served as it is. */
export interface Asset {
  readonly body: string;
  readonly type: string;
}

/** Files of the page, by path. */
export const PAGE_ASSETS: Readonly<Record<string, Asset>> = {
  "/": { body: pageHtml, type: HTML },
  "/page.js": { body: pageJs, type: SCRIPT },
  "/connection.js": { body: connectionJs, type: SCRIPT },
  "/wire.js": { body: wireJs, type: SCRIPT },
  "/style.css": { body: styleCss, type: STYLE },
};

/** Files of the dashboard, by path. They hold no figures: those are fetched with a key. */
export const ADMIN_ASSETS: Readonly<Record<string, Asset>> = {
  "/admin": { body: adminHtml, type: HTML },
  "/admin.css": { body: adminCss, type: STYLE },
  "/admin.js": { body: adminJs, type: SCRIPT },
  "/style.css": PAGE_ASSETS["/style.css"]!,
};

const tags = new WeakMap<Asset, Promise<string>>();

/** A strong entity tag (RFC 9110 §8.8.3): the SHA-256 of the body. */
function entityTag(asset: Asset): Promise<string> {
  let tag = tags.get(asset);
  if (tag === undefined) {
    tag = crypto.subtle.digest("SHA-256", new TextEncoder().encode(asset.body)).then((digest) =>
      `"${new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true })}"`
    );
    tags.set(asset, tag);
  }
  return tag;
}

/** Answers a GET or HEAD for `asset`; 304 when the client has it. */
export async function assetResponse(asset: Asset, request: Request): Promise<Response> {
  const etag = await entityTag(asset);
  const headers = { etag, "cache-control": "no-cache" };
  const known = request.headers.get("if-none-match");
  if (
    known !== null && known.split(",").some((t) => t.trim().replace(/^W\//, "") === etag || t.trim() === "*")
  ) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(asset.body, { headers: { ...headers, "content-type": asset.type } });
}
