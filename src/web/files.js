// @ts-check
/**
 * Files in the conversation: sent by button, drop or paste, and shown with a link that the service checks when it is
 * followed.
 *
 * @module
 */

import { $, button, formatSize, messageOf, part } from "./dom.js";

/** Types that are shown in the page: pixels, which nothing can run in. */
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"];
/** Largest picture that is shown unasked, in bytes. */
const MOST_PREVIEWED = 5_000_000;

/** Sends files to a channel, and draws those that were sent. */
export class Files {
  /** @type {any} The SDK's `SkeinClient`. */
  #client;
  /** @type {any} The SDK's `Channel`. */
  #channel;
  /** Pictures are fetched when they come into sight. */
  #sight = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) void this.#preview(target);
  }, { rootMargin: "200px" });
  /** @type {WeakMap<Element, string>} */
  #previews = new WeakMap();

  constructor() {
    const input = $("file");
    $("attach").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.send(input.files);
      // The same file may be chosen again.
      input.value = "";
    });
    $("text").addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
      const files = event.clipboardData?.files;
      if (files === undefined || files.length === 0) return;
      event.preventDefault();
      this.send(files);
    });
    this.#takeDrops($("talk"));
  }

  /** Sends to this channel from now on. @param {any} client @param {any} channel */
  begin(client, channel) {
    this.#client = client;
    this.#channel = channel;
  }

  /** Uploads files, each with a line that shows how far it is. @param {Iterable<File>} files */
  send(files) {
    if (this.#channel !== undefined) { for (const file of files) this.#send(file); }
  }

  /** A message's file; undefined when it announces none. @param {any} data What somebody sent. */
  draw(data) {
    const { fileId, name, size, type } = Object(data?.file);
    if (typeof fileId !== "string" || !/^[\w-]{1,64}$/.test(fileId) || typeof name !== "string") {
      return undefined;
    }
    const card = part("div", "file", "");
    const link = /** @type {HTMLAnchorElement} */ (part("a", "", name));
    link.href = `/files/${fileId}`;
    const note = part("span", "quiet", Number.isSafeInteger(size) && size >= 0 ? formatSize(size) : "");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.#link(fileId).then(save, (error) => {
        note.textContent = `cannot be had: ${messageOf(error)}`;
        note.className = "error";
      });
    });
    card.append(link, note);
    if (PICTURES.includes(type) && size <= MOST_PREVIEWED) {
      const picture = document.createElement("img");
      picture.alt = name;
      this.#previews.set(picture, fileId);
      this.#sight.observe(picture);
      card.append(picture);
    }
    return card;
  }

  /** A URL that needs no token, when the user may read the file. @param {string} fileId */
  async #link(fileId) {
    const { url } = await this.#client.manager.send("file_link", { fileId });
    return new URL(url, location.origin).href;
  }

  /** @param {Element} picture */
  async #preview(picture) {
    const fileId = this.#previews.get(picture);
    this.#sight.unobserve(picture);
    if (fileId === undefined) return;
    this.#previews.delete(picture);
    picture.addEventListener("error", () => picture.remove());
    try {
      picture.setAttribute("src", await this.#link(fileId));
    } catch {
      // The link says why when it is followed.
      picture.remove();
    }
  }

  /** @param {File} file */
  #send(file) {
    const line = part("li", "", "");
    const progress = document.createElement("progress");
    progress.setAttribute("aria-label", file.name);
    const note = part("span", "quiet", "preparing …");
    note.setAttribute("role", "status");
    const pause = button(
      "plain",
      "Pause",
      () => upload.progress.state === "paused" ? upload.resume() : upload.pause(),
    );
    const cancel = button("plain", "Cancel", () => void upload.cancel());
    line.append(part("span", "name", file.name), progress, note, pause, cancel);
    $("uploads").append(line);

    const show = (/** @type {import("../client/mod.ts").UploadProgress} */ { acknowledged, size, state }) => {
      if (state === "hashing") return;
      progress.max = Math.max(1, size);
      progress.value = acknowledged;
      note.textContent = `${formatSize(acknowledged)} of ${formatSize(size)}${
        state === "paused" ? ", paused" : ""
      }`;
      pause.textContent = state === "paused" ? "Resume" : "Pause";
    };
    const upload = this.#channel.upload(file, { onProgress: show });
    upload.done.then(() => line.remove(), (/** @type {any} */ error) => {
      if (error.error === "closed") return line.remove();
      line.dataset.sent = "no";
      progress.remove();
      note.textContent = `not sent: ${messageOf(error)}`;
      note.className = "error";
      pause.replaceWith(button("plain", "Try again", () => {
        line.remove();
        this.#send(file);
      }));
      cancel.replaceWith(button("plain", "Dismiss", () => line.remove()));
    });
  }

  /** @param {HTMLElement} area */
  #takeDrops(area) {
    const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    area.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      area.classList.add("dropping");
    });
    area.addEventListener("dragleave", (event) => {
      if (!area.contains(/** @type {Node | null} */ (event.relatedTarget))) area.classList.remove("dropping");
    });
    area.addEventListener("drop", (event) => {
      area.classList.remove("dropping");
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.send(event.dataTransfer?.files ?? []);
    });
  }
}

/** @param {string} url */
function save(url) {
  const link = document.createElement("a");
  link.href = url;
  // Its name is what the service says.
  link.download = "";
  link.click();
}
