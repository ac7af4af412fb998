// @ts-check
/**
 * One document in the editor: opened, kept in step, shown with how it does, and closed.
 *
 * @module
 */

import { $, messageOf } from "./dom.js";
import { Peers } from "./peers.js";
import { TextField } from "./text.js";

/** What is wrong with a link, as headline and explanation. */
const NO_KEY = [
  "The key is missing",
  "This document is encrypted, and this link has no key. Ask for the whole link, with all that is behind the #.",
];
const WRONG_KEY = [
  "The key does not fit",
  "This document was written with another key. Ask for the link again; the service cannot help, it never had the key.",
];
const PAGE = document.title;
/** Milliseconds after which it is said that saving takes time. */
const SLOW = 500;

/** A document that is open. */
export class Editor {
  #Y;
  #client;
  #me;
  #isSealed;
  #refused;
  #shared;
  #doc;
  #awareness;
  #provider;
  #fields;
  /** @type {Peers | undefined} */
  #peers;
  /** @type {(() => void)[]} */
  #offs;
  /** Snapshots and operations that could be read, and that could not. */
  #read = 0;
  #unread = 0;
  /** Refused operations that were told as such. @type {WeakSet<object>} */
  #rejections = new WeakSet();
  #ended = false;
  #statusTimer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

  /**
   * @param {any} yjs What `/skein-yjs.js` exports.
   * @param {any} client The SDK's `SkeinClient`.
   * @param {object} options
   * @param {string} options.name What follows `doc:`.
   * @param {string} options.me
   * @param {any} options.key The `DocumentKey`; undefined: the document is not encrypted.
   * @param {(headline: string, text: string) => void} options.refused Called when it cannot be shown; it is closed then.
   */
  constructor({ Awareness, openDocument, SkeinYjsProvider, Y }, client, { name, me, key, refused }) {
    this.#Y = Y;
    this.#client = client;
    this.#me = me;
    this.#isSealed = key !== undefined;
    this.#refused = refused;
    const shared = this.#shared = openDocument(client, `doc:${name}`, key === undefined ? {} : { key });
    this.#doc = new Y.Doc();
    this.#awareness = new Awareness(this.#doc);
    // Nobody is told anything before the key has proved to be the right one.
    this.#awareness.setLocalState(null);
    // Heard before the provider hears it.
    this.#offs = [
      shared.on("reset", (/** @type {any} */ { data }) => data !== undefined && this.#look(data)),
      shared.on("operation", (/** @type {any} */ { data }) => this.#look(data)),
      shared.on("error", (/** @type {any} */ error) => this.#failed(error)),
      shared.on(
        "synced",
        () => this.#unread > 0 && this.#read === 0 ? this.#refuse(WRONG_KEY) : this.#begin(),
      ),
      shared.on("closed", (/** @type {unknown} */ error) => {
        if (error !== undefined) this.#refuse(["This document cannot be opened", messageOf(error)]);
      }),
    ];
    this.#provider = new SkeinYjsProvider(shared, this.#doc, { awareness: this.#awareness });
    const body = this.#doc.getText("text"), title = this.#doc.getText("title");
    // The fields track themselves: what others do is not undone here.
    const undo = new Y.UndoManager([body, title], { trackedOrigins: new Set() });
    this.#fields = [
      new TextField($("area"), body, undo, () => this.#peers?.draw()),
      new TextField($("title"), title, undo, () => this.#showTitle()),
    ];
    this.#offs.push(
      client.store.subscribe(() => this.#showSaved()),
      this.#provider.on("synced", () => this.#showSaved()),
      client.on("rejected", (/** @type {any} */ { error }) => this.#rejected(error)),
    );
    notice("");
    $("sealed").textContent = key === undefined ? "not encrypted" : "end-to-end encrypted";
    $("sealed").dataset.sealed = key === undefined ? "no" : "yes";
    $("sealed").title = key === undefined
      ? "The service can read this document."
      : "Only those who have the link can read this document.";
    $("editor").hidden = false;
    this.#showTitle();
    this.#showSaved();
  }

  /** Makes it a new document with this title, which may be written in at once. @param {string} title */
  create(title) {
    this.#doc.transact(() => {
      // A document is never empty, so that a wrong key is known as such.
      this.#doc.getMap("about").set("format", 1);
      this.#doc.getText("title").insert(0, title);
    });
    this.#begin();
  }

  /** Closes it. What was written is still sent. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#statusTimer);
    this.#peers?.end();
    for (const off of this.#offs) off();
    for (const field of this.#fields) field.end();
    this.#provider.destroy();
    this.#awareness.destroy();
    $("editor").hidden = true;
    document.title = PAGE;
  }

  #begin() {
    if (this.#peers !== undefined || this.#ended) return;
    for (const { element } of this.#fields) element.readOnly = false;
    this.#peers = new Peers($("area"), this.#Y, this.#doc.getText("text"), this.#awareness, this.#me);
    this.#showSaved();
    if (document.activeElement === document.body) $("area").focus();
  }

  /** @param {Uint8Array} data */
  #look(data) {
    if (this.#isSealed || isUpdate(this.#Y, data)) this.#read++;
    else if (this.#read === 0) this.#refuse(NO_KEY);
  }

  /** @param {any} error */
  #failed(error) {
    if (this.#rejections.has(error)) return;
    if (error.error !== "bad_payload") return notice(error.message);
    this.#unread++;
    // Before that it is not known yet whose key is the wrong one.
    if (this.#peers !== undefined) notice("Somebody writes here with another key: that cannot be read.");
  }

  /** The document tells of it, too, and cannot say that it was an operation. @param {any} error */
  #rejected(error) {
    this.#rejections.add(error);
    if (error.error !== "permission_denied") return notice(`A change could not be saved: ${error.message}.`);
    for (const { element } of this.#fields) element.readOnly = true;
    notice("You may read this document, but not write in it: your last change is not saved.");
  }

  /** @param {string[]} reason */
  #refuse([headline = "", text = ""]) {
    if (this.#ended) return;
    this.end();
    this.#refused(headline, text);
  }

  #showTitle() {
    document.title = `${String(this.#doc.getText("title")).trim() || "Untitled"} – ${PAGE}`;
  }

  #showSaved() {
    if (this.#ended) return;
    const { status, pending } = this.#client.store.getState();
    const state = status !== "connected"
      ? "offline"
      : !this.#provider.document.synced
      ? "syncing"
      : pending > 0 || !this.#provider.synced
      ? "saving"
      : "saved";
    $("saved").dataset.state = state;
    const text = {
      offline: pending === 0
        ? "offline"
        : `offline: ${pending} ${pending === 1 ? "change is" : "changes are"} kept here`,
      syncing: this.#peers === undefined ? "opening …" : "syncing …",
      saving: "saving …",
      saved: "all changes saved",
    }[state];
    clearTimeout(this.#statusTimer);
    // Each key is saved at once; only a wait is worth a word.
    this.#statusTimer = setTimeout(() => ($("saved").textContent = text), state === "saving" ? SLOW : 0);
  }
}

/** @param {string} text */
function notice(text) {
  $("notice").textContent = text;
}

/** Whether bytes are an update of Yjs. @param {any} Y @param {Uint8Array} data */
function isUpdate(Y, data) {
  try {
    Y.decodeUpdate(data);
    return true;
  } catch {
    return false;
  }
}
