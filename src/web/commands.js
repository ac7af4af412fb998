// @ts-check
/**
 * Commands to bots: what completes them while they are typed, and what bots answer to this user alone.
 *
 * @module
 */

import { $, part } from "./dom.js";

/** Commands that are offered at once. */
const MOST = 8;

/**
 * A command as the service lists it.
 *
 * @typedef {{ bot: string, name: string, usage: string, description?: string }} Listed
 */

/** How a command is typed, without its arguments. @param {Listed} command */
function typed({ bot, name }) {
  return bot === name ? name : `${bot} ${name}`;
}

/**
 * The commands that a text may become, and the one whose arguments it has. Pure.
 *
 * @param {readonly Listed[]} all @param {string} text
 * @returns {{ offered: Listed[], current: Listed | undefined }}
 *
 * Exported for tests.
 */
export function complete(all, text) {
  if (!/^\/(?!\/)/.test(text)) return { offered: [], current: undefined };
  const said = text.slice(1).toLowerCase();
  const current = all.find((command) =>
    [typed(command), command.name].some((name) => said.startsWith(`${name} `))
  );
  if (current !== undefined) return { offered: [], current };
  const offered = all.filter((command) => typed(command).startsWith(said) || command.name.startsWith(said));
  return { offered: offered.slice(0, MOST), current: undefined };
}

/** The list above the field, and answers in the list of messages. */
export class Commands {
  /** @type {HTMLInputElement} */
  #field = $("text");
  #list = $("commands");
  #hint = $("usage");
  /** @type {any} The SDK's `SkeinClient`. */
  #client;
  #messages;
  /** @type {Listed[]} */
  #all = [];
  /** @type {Listed[]} */
  #offered = [];
  #chosen = 0;
  /** The list of commands is asked for once while a command is typed. */
  #isAsked = false;
  /** The list was closed since the last character: an answer that comes late must not open it under the next key. */
  #isDismissed = false;

  /** @param {import("./messages.js").Messages} messages */
  constructor(messages) {
    this.#messages = messages;
    this.#field.addEventListener("input", () => void this.#typed());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("blur", () => this.#dismiss());
  }

  /** Begins to show what bots answer. @param {any} client */
  begin(client) {
    this.#client = client;
    client.on("message", (/** @type {any} */ message) => {
      if (message.type === "bot_response") this.#answer(message);
    });
  }

  /** The message was sent: nothing is offered any more. */
  end() {
    this.#isAsked = false;
    this.#show([]);
    this.#hint.textContent = "";
  }

  async #typed() {
    const { value } = this.#field;
    this.#isDismissed = false;
    if (!value.startsWith("/")) return this.end();
    if (!this.#isAsked && this.#client !== undefined) {
      this.#isAsked = true;
      try {
        this.#all = (await this.#client.manager.send("bot_commands", {})).commands;
      } catch (error) {
        // The next character asks again.
        this.#isAsked = false;
        console.info("The commands could not be read:", error);
      }
    }
    const { offered, current } = complete(this.#all, this.#field.value);
    this.#hint.textContent = current === undefined ? "" : hintOf(current);
    this.#show(this.#isDismissed ? [] : offered);
  }

  #dismiss() {
    this.#isDismissed = true;
    this.#show([]);
  }

  /** @param {Listed[]} offered */
  #show(offered) {
    this.#offered = offered;
    this.#chosen = 0;
    this.#list.hidden = offered.length === 0;
    this.#field.setAttribute("aria-expanded", String(offered.length > 0));
    this.#list.replaceChildren(...offered.map((command, at) => {
      const item = part("li", "", "");
      item.id = `command-${at}`;
      item.setAttribute("role", "option");
      item.append(part("code", "", command.usage), part("span", "quiet", command.description ?? ""));
      // Before the field loses the focus.
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.#take(command);
      });
      return item;
    }));
    this.#mark();
  }

  #mark() {
    [...this.#list.children].forEach((item, at) => {
      item.setAttribute("aria-selected", String(at === this.#chosen));
    });
    if (this.#offered.length > 0) {
      this.#field.setAttribute("aria-activedescendant", `command-${this.#chosen}`);
    } else this.#field.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const count = this.#offered.length;
    if (event.key === "Escape") this.#isDismissed = true;
    if (count === 0 || event.isComposing) return;
    const chosen = /** @type {Listed} */ (this.#offered[this.#chosen]);
    if (event.key === "ArrowDown") this.#chosen = (this.#chosen + 1) % count;
    else if (event.key === "ArrowUp") this.#chosen = (this.#chosen + count - 1) % count;
    else if (event.key === "Escape") this.#dismiss();
    // What is typed whole is sent and not completed.
    else if (event.key === "Tab" || (event.key === "Enter" && this.#field.value !== `/${typed(chosen)}`)) {
      this.#take(chosen);
    } else return;
    event.preventDefault();
    this.#mark();
  }

  /** @param {Listed} command */
  #take(command) {
    this.#field.value = `/${typed(command)} `;
    this.#field.focus();
    this.#dismiss();
    this.#hint.textContent = hintOf(command);
  }

  /** @param {any} message */
  #answer({ re, timestamp, payload: { bot, kind, text = "", data, at = 0, final, done } }) {
    // It stays behind what was there when it came.
    const offset = this.#messages.lastOffset + 0.5;
    const item = this.#messages.show({ id: `answer ${re}`, from: bot, text: "", timestamp }, offset);
    const content = /** @type {HTMLElement} */ (item.querySelector(".content"));
    const before = item.dataset.answer ?? "";
    item.classList.add("private");
    item.classList.toggle("failed", kind === "failed" || final === "failed");
    if (kind === "piece") {
      item.dataset.answer = before.slice(0, at) + text;
      content.replaceChildren(part("p", "said", item.dataset.answer));
    } else if (kind === "progress") {
      const share = done === undefined ? "" : `${Math.round(done * 100)} % `;
      if (before === "") content.replaceChildren(part("p", "said quiet", `${share}${text || "…"}`));
    } else if (kind === "answer" || kind === "failed") {
      content.replaceChildren(
        part("p", "said", data === undefined ? text || "no answer" : JSON.stringify(data)),
      );
    } else if (before === "") item.remove();
    this.#messages.settle();
  }
}

/** @param {Listed} command */
function hintOf({ usage, description }) {
  return description === undefined ? usage : `${usage} - ${description}`;
}
