// @ts-check
/**
 * A text field that several people write in: what is typed goes into a `Y.Text` as the smallest change, what others
 * change comes into the field and leaves the selection where it was.
 *
 * @module
 */

/**
 * A change of a text: at `start`, `removed` characters (UTF-16) give way to `inserted`.
 *
 * @typedef {{ start: number, removed: number, inserted: string }} Change
 */

/**
 * The smallest change that makes `after` of `before`; undefined when there is none. Where several would do (a letter
 * among the same letters) it is the one that ends at `caret`. No surrogate pair is cut in two. Pure.
 *
 * @param {string} before @param {string} after @param {number} caret
 * @returns {Change | undefined}
 *
 * Exported for tests.
 */
export function difference(before, after, caret) {
  if (before === after) return undefined;
  const most = Math.min(before.length, after.length);
  let end = 0;
  const behind = Math.min(most, after.length - caret);
  while (end < behind && before.at(-1 - end) === after.at(-1 - end)) end++;
  let start = 0;
  while (start < most - end && before[start] === after[start]) start++;
  // The caret may be somewhere else, after an undo or a drop.
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  if (start > 0 && isHigh(before, start - 1)) start--;
  if (end > 0 && isLow(before, before.length - end)) end--;
  return {
    start,
    removed: before.length - end - start,
    inserted: after.slice(start, after.length - end),
  };
}

/**
 * Where a place in a text is after a change by somebody else. What is inserted at the place itself comes after it. Pure.
 *
 * @param {number} place @param {Change} change
 *
 * Exported for tests.
 */
export function moved(place, { start, removed, inserted }) {
  if (place <= start) return place;
  if (place < start + removed) return start;
  return place - removed + inserted.length;
}

/**
 * A Yjs delta as changes, each in the text that those before it have made. Pure.
 *
 * @param {readonly { retain?: number | undefined, insert?: unknown, delete?: number | undefined }[]} delta
 * @returns {Change[]}
 *
 * Exported for tests.
 */
export function changesOf(delta) {
  let at = 0;
  /** @type {Change[]} */
  const changes = [];
  for (const { retain = 0, insert, delete: removed = 0 } of delta) {
    at += retain;
    // Something that is no text has the length of one character.
    const inserted = insert === undefined ? "" : typeof insert === "string" ? insert : "\ufffc";
    if (inserted !== "" || removed > 0) changes.push({ start: at, removed, inserted });
    at += inserted.length;
  }
  return changes;
}

/** Binds a `<textarea>` or `<input>` to a `Y.Text`. */
export class TextField {
  /** @type {HTMLTextAreaElement | HTMLInputElement} */
  element;
  #text;
  #undo;
  /** What the field held when it and the text were last the same. */
  #shown = "";
  /** What others changed while a character is being composed: the field is not touched then. */
  #waiting = /** @type {Change[] | undefined} */ (undefined);
  #changed;
  #observer = (/** @type {any} */ event) => this.#remote(event);
  #off = new AbortController();

  /**
   * @param {HTMLTextAreaElement | HTMLInputElement} element
   * @param {any} text A `Y.Text` of a document.
   * @param {any} undo A `Y.UndoManager` that tracks this field.
   * @param {() => void} changed Called after each change, whoever made it.
   */
  constructor(element, text, undo, changed) {
    this.element = element;
    this.#text = text;
    this.#undo = undo;
    this.#changed = changed;
    this.#undo.addTrackedOrigin(this);
    const { signal } = this.#off;
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
      element.addEventListener(type, listener, { signal });
    on("input", () => this.#waiting === undefined && this.#local());
    on("compositionstart", () => this.#waiting ??= []);
    on("compositionend", () => this.#composed());
    on("beforeinput", (event) => {
      if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
        event.preventDefault();
        this.#step(event.inputType === "historyUndo");
      }
    });
    on("keydown", (event) => {
      const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
      if (!(ctrlKey || metaKey) || altKey || !/^[zy]$/i.test(key)) return;
      event.preventDefault();
      this.#step(key.toLowerCase() === "z" && !shiftKey);
    });
    this.#text.observe(this.#observer);
    this.#show(this.#read(), 0, 0);
  }

  /** Ends the binding; the field keeps what it shows. */
  end() {
    this.#off.abort();
    this.#text.unobserve(this.#observer);
  }

  /** The text as the field can hold it, of the same length: it takes no carriage returns, one line no line ends. */
  #read() {
    const text = String(this.#text);
    return this.element instanceof HTMLInputElement
      ? text.replace(/[\r\n]/g, " ")
      : text.replaceAll("\r", "\u240d");
  }

  #local() {
    const { element } = this;
    const change = difference(this.#shown, element.value, element.selectionEnd ?? 0);
    if (change === undefined) return;
    this.#apply(change);
    this.#shown = this.#read();
    if (this.#shown !== element.value) this.#show(this.#shown, element.selectionStart, element.selectionEnd);
    this.#changed();
  }

  /** @param {Change} change */
  #apply({ start, removed, inserted }) {
    this.#text.doc.transact(() => {
      if (removed > 0) this.#text.delete(start, removed);
      if (inserted !== "") this.#text.insert(start, inserted);
    }, this);
  }

  /** @param {any} event */
  #remote({ delta, transaction }) {
    if (transaction.origin === this) return;
    const changes = changesOf(delta);
    if (this.#waiting !== undefined) return void this.#waiting.push(...changes);
    let { selectionStart: start, selectionEnd: end } = this.element;
    if (transaction.origin === this.#undo) {
      const last = changes.at(-1);
      if (last !== undefined) start = end = last.start + last.inserted.length;
    } else {
      for (const change of changes) {
        start = moved(start ?? 0, change);
        end = moved(end ?? 0, change);
      }
    }
    this.#show(this.#read(), start, end);
    this.#changed();
  }

  /** What was composed goes where it belongs in what others have made of the text meanwhile. */
  #composed() {
    const others = this.#waiting ?? [];
    this.#waiting = undefined;
    if (others.length === 0) return this.#local();
    const { element } = this;
    const change = difference(this.#shown, element.value, element.selectionEnd ?? 0);
    let caret = element.selectionEnd ?? 0;
    if (change !== undefined) {
      let start = change.start, end = change.start + change.removed;
      for (const other of others) {
        start = moved(start, other);
        end = moved(end, other);
      }
      this.#apply({ start, removed: end - start, inserted: change.inserted });
      caret = start + change.inserted.length;
    }
    this.#show(this.#read(), caret, caret);
    this.#changed();
  }

  /** @param {boolean} back */
  #step(back) {
    if (this.element.readOnly) return;
    if (back) this.#undo.undo();
    else this.#undo.redo();
  }

  /** @param {string} text @param {number | null} start @param {number | null} end */
  #show(text, start, end) {
    const { element } = this;
    this.#shown = text;
    if (element.value === text) return;
    const { scrollTop, selectionDirection } = element;
    element.value = text;
    element.setSelectionRange(start, end, selectionDirection ?? "none");
    element.scrollTop = scrollTop;
  }
}

/** @param {string} text @param {number} at */
function isHigh(text, at) {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800;
}

/** @param {string} text @param {number} at */
function isLow(text, at) {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}
