// @ts-check
/**
 * The page of documents: `/document#doc=NAME&key=KEY` opens one, without anything behind the # a new one is made. What
 * is behind the # never reaches the service, so the key stays with those who have the link.
 *
 * @module
 */

import { $, messageOf } from "./dom.js";
import { Editor } from "./editor.js";
import { setUpJoining } from "./join.js";

// Yjs, its provider and encryption as the service serves them, beside the SDK.
// deno-lint-ignore rooms/imports -- loaded by the browser from the service, no file of ours
const yjs = import(new URL("/skein-yjs.js", location.href).href);
yjs.catch((error) => fail("The editor could not be loaded", messageOf(error)));

/** Room for what is written without a connection: each key that is pressed is an operation. */
const OUTBOX = { maxMessages: 200_000, maxBytes: 64 * 1024 ** 2 };

/** @type {[string, string]} */
const INSECURE = [
  "This page cannot encrypt",
  "Browsers encrypt only in pages that come over HTTPS or from this machine.",
];

/** @type {any} The SDK's `SkeinClient`. */
let client;
let me = "";
/** @type {Editor | undefined} */
let editor;

forgetName();
setUpJoining({
  name: "skein-document/1",
  returns: true,
  outbox: OUTBOX,
  begin(made, name) {
    client = made;
    me = name;
    begin().catch((error) => fail("This document cannot be opened", messageOf(error)));
  },
  end() {
    editor?.end();
    $("choose").hidden = $("trouble").hidden = true;
  },
});
$("new-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  create().catch((error) => fail("No document could be made", messageOf(error)));
});
$("share").addEventListener("click", share);
// Another link in the same tab is another document.
addEventListener("hashchange", () => location.reload());
addEventListener("pageshow", (/** @type {any} */ { persisted }) => persisted && location.reload());
addEventListener("pagehide", () => editor?.end());

/** The user's name belongs to this tab, and not into a link that is handed on. */
function forgetName() {
  const url = new URL(location.href);
  for (const name of ["name", "transport"]) {
    const value = url.searchParams.get(name);
    if (value !== null) sessionStorage.setItem(name, value);
    url.searchParams.delete(name);
  }
  history.replaceState(null, "", url.href);
}

async function begin() {
  const link = new URLSearchParams(location.hash.slice(1));
  const name = link.get("doc");
  if (name === null) {
    $("choose").hidden = false;
    $("new-title").focus();
    return;
  }
  const { DocumentKey } = await yjs;
  if (link.has("key") && !isSecureContext) return fail(...INSECURE);
  const key = await DocumentKey.fromUrl(location.href).catch(() => null);
  if (key === null) {
    fail(
      "The link is damaged",
      "Its key should have 43 characters. Ask for the whole link, up to its last character.",
    );
  } else await edit(name, key);
}

async function create() {
  if ($("new-sealed").checked && !isSecureContext) return fail(...INSECURE);
  const { DocumentKey } = await yjs;
  const id = crypto.getRandomValues(new Uint8Array(16));
  const name = Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const key = $("new-sealed").checked ? await DocumentKey.generate() : undefined;
  const plain = new URL(`#${new URLSearchParams({ doc: name })}`, location.href);
  // Not an entry of its own: going back leaves the page and not the document's name.
  history.replaceState(null, "", key === undefined ? plain.href : await key.toUrl(plain));
  $("choose").hidden = true;
  (await edit(name, key)).create($("new-title").value.trim());
}

/** @param {string} name @param {any} key */
async function edit(name, key) {
  return editor = new Editor(await yjs, client, { name, me, key, refused: fail });
}

async function share() {
  const button = $("share");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    // Not allowed, or a page of plain HTTP on another machine.
    button.textContent = "It is in the address bar";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2500);
}

/** @param {string} headline @param {string} text */
function fail(headline, text) {
  $("choose").hidden = $("editor").hidden = true;
  $("trouble").hidden = false;
  $("trouble-title").textContent = headline;
  $("trouble-text").textContent = text;
}
