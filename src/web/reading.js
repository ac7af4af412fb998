// @ts-check
/**
 * How far the user has read: told to the service for all of the user's devices, shown as a line above what is new and
 * as a count in the title.
 *
 * @module
 */

import { $, part } from "./dom.js";

/** Milliseconds in which several messages are one read position. */
const PAUSE = 300;

/** The read position of the channel on the page. */
export class Reading {
  #title = document.title;
  /** @type {any} The SDK's `Channel`. */
  #channel;
  #me = "";
  #newest = 0;
  #told = 0;
  #unseen = 0;
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

  constructor() {
    document.addEventListener("visibilitychange", () => this.#look());
    $("messages").addEventListener("scroll", () => this.#look(), { passive: true });
  }

  /** Shows where the user stopped reading. @param {any} client @param {any} channel @param {string} me */
  async begin(client, channel, me) {
    this.#channel = channel;
    this.#me = me;
    channel.on("read", (/** @type {any} */ { offset }) => {
      if (offset >= this.#newest) this.#clear();
    });
    const { channels } = await client.unread([channel.name]);
    const { offset = 0, unread = 0 } = channels[channel.name] ?? {};
    this.#told = offset;
    // Whoever was never here has no place to go on from.
    if (offset > 0 && unread > 0) this.#divide(offset);
    this.#look();
  }

  /** A message is on the page. @param {any} message */
  saw({ from, offset }) {
    if (!(offset > this.#newest)) return;
    this.#newest = offset;
    if (document.hidden && from !== this.#me) document.title = `(${++this.#unseen}) ${this.#title}`;
    this.#look();
  }

  #look() {
    const list = $("messages");
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    if (document.hidden || !isAtEnd) return;
    this.#unseen = 0;
    document.title = this.#title;
    if (this.#newest <= this.#told || this.#channel === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const offset = this.#newest;
      this.#channel.readUpTo(offset).then(
        () => this.#told = Math.max(this.#told, offset),
        // It is told with the next message.
        (/** @type {unknown} */ error) => console.info("The read position could not be told:", error),
      );
    }, PAUSE);
  }

  /** @param {number} offset */
  #divide(offset) {
    const first = [...$("messages").children].find((item) =>
      Number(item.dataset.offset) > offset && !item.classList.contains("own")
    );
    if (first === undefined) return;
    const line = part("li", "divider", "New");
    line.dataset.offset = String(Number(first.dataset.offset) - 0.5);
    first.before(line);
    // In sight with as much of what is new as there is room for.
    $("messages").scrollTop = $("messages").scrollHeight;
    line.scrollIntoView({ block: "nearest" });
  }

  #clear() {
    document.querySelector("#messages .divider")?.remove();
  }
}
