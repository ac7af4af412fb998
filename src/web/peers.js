// @ts-check
/**
 * Who else is in the document: names above, carets and selections over the text.
 *
 * @module
 */

import { $, part } from "./dom.js";

/** Colours that the style has. */
const COLOURS = 8;
/** Milliseconds between two words about where the caret is. */
const PAUSE = 80;
/** How many times as long as it takes to draw there is no drawing after it. */
const SHARE = 5;
/** People who are drawn. */
const MOST = 50;
/** Longest name that is shown. */
const NAME = 64;

/**
 * Somebody else, as far as the state makes sense.
 *
 * @typedef {{ client: number, name: string, tab: string, seen: number, anchor?: number, head?: number }} Peer
 */

/** The others of one document. */
export class Peers {
  #area;
  #layer = $("carets");
  #Y;
  #text;
  #awareness;
  #me;
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #waiting = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #frame = 0;
  /** Milliseconds that drawing took last time. */
  #cost = 0;
  #off = new AbortController();

  /**
   * @param {HTMLTextAreaElement} area
   * @param {any} Y Yjs.
   * @param {any} text The `Y.Text` that `area` shows.
   * @param {any} awareness
   * @param {string} me
   */
  constructor(area, Y, text, awareness, me) {
    this.#area = area;
    this.#Y = Y;
    this.#text = text;
    this.#awareness = awareness;
    this.#me = me;
    const options = { signal: this.#off.signal };
    document.addEventListener("selectionchange", () => this.#moved(), options);
    for (const event of ["focus", "keyup", "pointerup", "select"]) {
      area.addEventListener(event, () => this.#moved(), options);
    }
    area.addEventListener("scroll", () => this.#follow(), { ...options, passive: true });
    const sizes = new ResizeObserver(() => this.draw());
    sizes.observe(area);
    options.signal.addEventListener("abort", () => sizes.disconnect());
    awareness.on("change", () => this.draw());
    // Others forget the state of a page that was reloaded only in time: the tab says that it is the same.
    const tab = sessionStorage.getItem("tab") ?? Math.random().toString(36).slice(2);
    sessionStorage.setItem("tab", tab);
    awareness.setLocalState({ user: { name: me, tab }, cursor: null });
  }

  /** Ends it. */
  end() {
    this.#off.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#waiting);
    cancelAnimationFrame(this.#frame);
    this.#layer.replaceChildren();
    $("others").replaceChildren();
  }

  /** The text or somebody has changed: draws soon, but leaves most of the time to whoever types in a long text. */
  draw() {
    if (this.#waiting !== undefined || this.#off.signal.aborted) return;
    this.#waiting = setTimeout(() => {
      this.#frame = requestAnimationFrame(() => {
        this.#waiting = undefined;
        const begun = performance.now();
        const peers = this.#peers();
        this.#list(peers);
        this.#carets(peers);
        // Asked for its height the browser has to lay it out now.
        if (this.#layer.scrollHeight >= 0) this.#cost = performance.now() - begun;
      });
    }, this.#cost * SHARE);
  }

  #moved() {
    if (this.#timer !== undefined || document.activeElement !== this.#area) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const { selectionStart, selectionEnd, selectionDirection } = this.#area;
      const isBackward = selectionDirection === "backward";
      const cursor = {
        anchor: this.#relative(isBackward ? selectionEnd : selectionStart),
        head: this.#relative(isBackward ? selectionStart : selectionEnd),
      };
      const before = this.#awareness.getLocalState()?.cursor;
      if (JSON.stringify(before) !== JSON.stringify(cursor)) {
        this.#awareness.setLocalStateField("cursor", cursor);
      }
    }, PAUSE);
  }

  /** @param {number} index */
  #relative(index) {
    return this.#Y.relativePositionToJSON(this.#Y.createRelativePositionFromTypeIndex(this.#text, index));
  }

  /** An index in the text; undefined when `place`, which somebody sent, is none. @param {any} place */
  #absolute(place) {
    try {
      const Y = this.#Y;
      const position = Y.createAbsolutePositionFromRelativePosition(
        Y.createRelativePositionFromJSON(place),
        this.#text.doc,
      );
      return position?.type === this.#text ? position.index : undefined;
    } catch {
      return undefined;
    }
  }

  /** @returns {Peer[]} */
  #peers() {
    /** @type {Map<string, Peer>} */
    const peers = new Map();
    for (const [client, state] of this.#awareness.getStates()) {
      if (client === this.#awareness.clientID) continue;
      const { name, tab } = Object(state?.user);
      if (typeof name !== "string" || name === "") continue;
      const seen = this.#awareness.meta.get(client)?.lastUpdated ?? 0;
      const own = typeof tab === "string" ? tab : String(client);
      if (own === sessionStorage.getItem("tab")) continue;
      const known = peers.get(own);
      if (known !== undefined && known.seen > seen) continue;
      const anchor = this.#absolute(state.cursor?.anchor), head = this.#absolute(state.cursor?.head);
      peers.set(own, { client, name: name.slice(0, NAME), tab: own, seen, anchor, head });
      if (peers.size === MOST) break;
    }
    return [...peers.values()];
  }

  /** @param {Peer[]} peers */
  #list(peers) {
    const names = new Map(peers.map((peer) => [peer.name, colourOf(peer)]));
    const items = [...names].map(([name, colour]) => {
      const item = part("li", "", name);
      item.dataset.colour = colour;
      return item;
    });
    $("others").replaceChildren(part("li", "me", `${this.#me} (you)`), ...items);
  }

  /** A copy of the text with the same metrics lies over the field; only carets and selections of it are seen. @param {Peer[]} peers */
  #carets(peers) {
    const layer = this.#layer;
    const text = this.#area.value;
    const placed = peers.filter(({ head, anchor }) => head !== undefined && anchor !== undefined);
    if (placed.length === 0) return layer.replaceChildren();
    const cuts = new Set([0, text.length]);
    for (const { anchor, head } of placed) cuts.add(clamp(anchor, text)).add(clamp(head, text));
    const places = [...cuts].sort((a, b) => a - b);
    const copy = part("div", "copy", "");
    for (const [i, place] of places.entries()) {
      for (const peer of placed) if (clamp(peer.head, text) === place) copy.append(caretOf(peer));
      const next = places[i + 1];
      if (next === undefined) break;
      const piece = text.slice(place, next);
      const marked = placed.find(({ anchor, head }) =>
        Math.min(clamp(anchor, text), clamp(head, text)) <= place &&
        Math.max(clamp(anchor, text), clamp(head, text)) >= next
      );
      if (marked === undefined) copy.append(piece);
      else {
        const span = part("span", "marked", piece);
        span.dataset.colour = colourOf(marked);
        copy.append(span);
      }
    }
    // Without it an empty last line would have no height.
    copy.append("\u200b");
    layer.replaceChildren(copy);
    // The field's scroll bar takes room that the copy has to leave.
    copy.style.width = `${this.#area.clientWidth}px`;
    this.#follow();
  }

  #follow() {
    const copy = this.#layer.firstElementChild;
    if (copy instanceof HTMLElement) copy.style.transform = `translateY(${-this.#area.scrollTop}px)`;
  }
}

/** @param {Peer} peer */
function caretOf(peer) {
  const caret = part("span", "caret", "");
  caret.dataset.colour = colourOf(peer);
  caret.append(part("b", "", peer.name));
  return caret;
}

/** @param {number | undefined} place @param {string} text */
function clamp(place, text) {
  return Math.max(0, Math.min(text.length, place ?? 0));
}

/** One colour for one name, on every page. @param {Peer} peer */
function colourOf({ name }) {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
  return String(hash % COLOURS);
}
