// @ts-check
/**
 * The list of messages: each once and in its place, however it comes; one's own can be edited and deleted.
 *
 * @module
 */

import { $, button, messageOf, part } from "./dom.js";

/** Messages kept on the page. */
const MOST_SHOWN = 1000;
/** Milliseconds in which a deletion is confirmed. */
const SURE = 4000;

/**
 * What is shown of a message.
 *
 * @typedef {object} Shown
 * @property {string} id
 * @property {string} from
 * @property {string} [text]
 * @property {any} [data]
 * @property {number} timestamp
 * @property {number} [offset] Its place; one's own has none until it is acknowledged.
 * @property {number} [edited]
 * @property {number} [deleted]
 * @property {string} [stream] It grows, or has grown.
 */

/** The list `#messages`. */
export class Messages {
  /** @type {HTMLElement} */
  #list = $("messages");
  /** @type {any} The SDK's `Channel`. */
  #channel;
  #drawFile;
  #me = "";
  /** The user reads the newest messages, and stays with them. */
  #follows = true;

  /** @param {(data: any) => HTMLElement | undefined} drawFile Draws a message that announces a file. */
  constructor(drawFile) {
    this.#drawFile = drawFile;
    this.#list.addEventListener("scroll", () => (this.#follows = this.atEnd), { passive: true });
    new ResizeObserver(() => this.settle()).observe(this.#list);
    // A picture has its height only now.
    this.#list.addEventListener("load", () => this.settle(), { capture: true });
  }

  /** Begins to show what `me` and others say. @param {any} channel @param {string} me */
  begin(channel, me) {
    this.#channel = channel;
    this.#me = me;
  }

  /** The offset of the last message that has one; 0: none has. */
  get lastOffset() {
    const items = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll("li[data-offset]")]);
    return Math.floor(Number(items.at(-1)?.dataset.offset ?? 0));
  }

  /**
   * Shows a message, or what became of it. `place`: where it belongs when it is new and no message of the channel.
   *
   * @param {Shown} message @param {number} [place]
   */
  show(message, place) {
    const { id, from, timestamp, offset } = message;
    const key = `${from} ${id}`;
    const known = /** @type {HTMLElement | null} */ (
      this.#list.querySelector(`[data-id="${CSS.escape(key)}"]`)
    );
    if (known !== null) {
      if (offset !== undefined) this.place(known, offset);
      const { edited, deleted, text } = message;
      // The service may have changed what was said before it was kept.
      const isOther = text !== undefined && known.querySelector(".said")?.textContent !== text;
      if (edited !== undefined || deleted !== undefined || isOther) this.#fill(known, message);
      return known;
    }
    const item = document.createElement("li");
    item.dataset.id = key;
    if (from === this.#me) item.className = "own";
    const when = new Date(timestamp);
    const time = part("time", "quiet", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.setAttribute("datetime", when.toISOString());
    item.append(
      part("span", "from", from),
      time,
      part("div", "content", ""),
      part("span", "mark", ""),
    );
    this.#fill(item, message);
    this.place(item, offset ?? place);
    while (this.#list.children.length > MOST_SHOWN) this.#list.firstElementChild?.remove();
    return item;
  }

  /**
   * A streamed message has grown; false: something before the piece is missing.
   *
   * @param {any} piece
   */
  grow({ target, from, at, text }) {
    const said = this.#at(target, from)?.querySelector(".said");
    const known = said?.textContent ?? "";
    if (said === null || said === undefined || typeof text !== "string" || at > known.length) return false;
    said.textContent = known.slice(0, at) + text;
    this.settle();
    return true;
  }

  /** The sender said a message anew. @param {any} edit */
  edited({ target, offset, from, text, data }) {
    const item = this.#at(target, from);
    if (item !== undefined) this.#fill(item, { from, text, data, edited: offset });
  }

  /** The sender took a message back. @param {any} deletion */
  deleted({ target, offset, from }) {
    const item = this.#at(target, from);
    if (item !== undefined) this.#fill(item, { from, deleted: offset });
  }

  /**
   * Puts a message where its offset belongs; without one, at the end.
   *
   * @param {HTMLElement} item @param {number | undefined} offset
   */
  place(item, offset) {
    const list = this.#list;
    const isNew = item.parentElement === null;
    if (offset !== undefined) {
      item.dataset.offset = String(offset);
      this.#offerActions(item);
    }
    const mine = offset ?? Infinity;
    // From the end, because new ones come there. What has no offset yet stays behind what has one.
    let before = list.lastElementChild;
    while (before !== null && (before === item || offsetOf(before) > mine)) {
      before = before.previousElementSibling;
    }
    const next = before === null ? list.firstElementChild : before.nextElementSibling;
    if (next !== item) list.insertBefore(item, next);
    if (isNew && item.classList.contains("own")) this.#follows = true;
    this.settle();
  }

  /** Whether the newest message is in sight. */
  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  /** Stays with the newest messages when the user reads those. */
  settle() {
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {number} target @param {string} from */
  #at(target, from) {
    const item = /** @type {HTMLElement | null} */ (
      this.#list.querySelector(`li[data-offset="${Number(target)}"]`)
    );
    return item?.dataset.id?.startsWith(`${from} `) ? item : undefined;
  }

  /** @param {HTMLElement} item @param {any} message */
  #fill(item, { text, data, edited, deleted }) {
    const content = /** @type {HTMLElement} */ (item.querySelector(".content"));
    item.classList.toggle("gone", deleted !== undefined);
    item.querySelector(".editing")?.remove();
    if (deleted !== undefined) {
      content.replaceChildren(part("p", "said quiet", "deleted"));
      item.querySelector(".actions")?.remove();
      return;
    }
    const file = text === undefined ? this.#drawFile(data) : undefined;
    const said = text ?? (typeof data === "string" ? data : JSON.stringify(data));
    content.replaceChildren(file ?? part("p", "said", String(said)));
    if (edited !== undefined) content.append(part("span", "quiet", "edited"));
    this.#offerActions(item);
  }

  /** @param {HTMLElement} item */
  #offerActions(item) {
    const isOwn = item.classList.contains("own") && !item.classList.contains("gone");
    if (!isOwn || item.dataset.offset === undefined) return;
    item.querySelector(".actions")?.remove();
    const actions = part("span", "actions", "");
    if (item.querySelector(".file") === null) {
      actions.append(button("plain", "Edit", () => this.#edit(item)));
    }
    let asked = 0;
    const sure = button("plain", "Delete", () => {
      if (Date.now() - asked < SURE) return this.#do(item, this.#channel.delete(offsetOf(item)));
      asked = Date.now();
      sure.textContent = "Delete for good?";
      setTimeout(() => (sure.textContent = "Delete"), SURE);
    });
    actions.append(sure);
    item.append(actions);
  }

  /** @param {HTMLElement} item */
  #edit(item) {
    const content = /** @type {HTMLElement} */ (item.querySelector(".content"));
    const before = content.querySelector(".said")?.textContent ?? "";
    const form = /** @type {HTMLFormElement} */ (part("form", "editing", ""));
    const input = document.createElement("input");
    input.value = before;
    input.maxLength = 8000;
    input.setAttribute("aria-label", "Your message anew");
    const end = () => {
      form.remove();
      content.hidden = false;
      $("text").focus();
    };
    const save = /** @type {HTMLButtonElement} */ (part("button", "", "Save"));
    form.append(input, save, button("plain", "Cancel", end));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      end();
      if (text !== "" && text !== before) this.#do(item, this.#channel.edit(offsetOf(item), text));
    });
    form.addEventListener("keydown", ({ key }) => key === "Escape" && end());
    item.querySelector(".editing")?.remove();
    content.hidden = true;
    content.after(form);
    input.select();
    item.scrollIntoView({ block: "nearest" });
  }

  /** @param {HTMLElement} item @param {Promise<unknown>} doing */
  #do(item, doing) {
    item.dataset.sent = "waiting";
    doing.then(() => item.dataset.sent = "yes", (error) => {
      item.dataset.sent = "no";
      describe(item, `not done: ${messageOf(error)}`);
    });
  }
}

/** What a message's mark says. @param {HTMLElement} item @param {string} text */
export function describe(item, text) {
  const mark = /** @type {HTMLElement} */ (item.querySelector(".mark"));
  mark.title = text;
  mark.setAttribute("aria-label", text);
  mark.setAttribute("role", "img");
}

/** @param {Element} item */
function offsetOf(item) {
  return Number(/** @type {HTMLElement} */ (item).dataset.offset ?? Infinity);
}
