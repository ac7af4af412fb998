/** The pages as `deno task start` serves them, for tests in real browsers. */

import assert from "node:assert/strict";
import type { BrowserPage } from "../support/browsers.ts";
import { startTestService, type TestService } from "../support/service.ts";

/** An expression: the connection stands. */
export const OPEN = `document.querySelector('#status[data-phase="open"]')`;
/** An expression: the document is in step with the service. */
export const SAVED = `document.querySelector('#saved[data-state="saved"]')`;
/** An expression: the document's text. */
export const TEXT = `document.getElementById("area").value`;

const ROOT = new URL("../../", import.meta.url);
const DIST = new URL("dist/", ROOT);

/**
 * Builds what the service serves beside its own files, as `deno task start` does. Files are replaced whole: another test
 * file may be serving them.
 */
export async function buildBundles(): Promise<void> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    tasks: Record<string, string>;
  };
  await Deno.mkdir(DIST, { recursive: true });
  const directory = await Deno.makeTempDir({ dir: DIST.pathname, prefix: "build-" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "--eval", tasks["build:client"]!.replaceAll("dist/", `${directory}/`)],
      cwd: ROOT,
      signal: AbortSignal.timeout(120_000),
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    for await (const { name } of Deno.readDir(directory)) {
      await Deno.rename(`${directory}/${name}`, new URL(name, DIST));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A service with a database that can be stopped and started again at the same address. */
export class Place {
  readonly directory: string;
  /** What it has logged, over all its runs. */
  readonly lines: Record<string, unknown>[] = [];
  #service: TestService | undefined;
  #port = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Runs `body` with one that is gone afterwards. */
  static async with(body: (place: Place) => Promise<void>): Promise<void> {
    const place = new Place(await Deno.makeTempDir({ prefix: "skein-pages-" }));
    try {
      await place.start();
      await body(place);
    } finally {
      await place.stop();
      await Deno.remove(place.directory, { recursive: true });
    }
  }

  get service(): TestService {
    assert.ok(this.#service, "the service is stopped");
    return this.#service;
  }

  get port(): number {
    return this.#port;
  }

  /** Starts it; QUIC gets another port each time, because a process gets none a second time. */
  async start(): Promise<void> {
    this.#service = await startTestService({
      http: { port: this.#port },
      engine: {
        kind: "sqlite",
        sqlite: { path: `${this.directory}/skein.db`, files: `${this.directory}/files` },
      },
      certificates: { directory: this.directory },
    });
    this.#port = this.#service.service.addresses.http.port;
  }

  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = undefined;
    await service?.stop();
    this.lines.push(...service?.lines ?? []);
  }
}

/** Types into a field as a user does, with the caret put at `at` first; the end when absent. */
export async function type(page: BrowserPage, selector: string, text: string, at?: number): Promise<void> {
  const done = await page.evaluate(({ selector, text, at }) => {
    const field = document.querySelector<HTMLTextAreaElement>(selector)!;
    field.focus();
    const place = at ?? field.value.length;
    field.setSelectionRange(place, place);
    return document.execCommand("insertText", false, text);
  }, { selector, text, at: at ?? null });
  assert.ok(done, `nothing could be typed into ${selector}`);
}

/** Makes a document in the page; resolves with its address, which holds the key. */
export async function createDocument(
  page: BrowserPage,
  origin: string,
  user: string,
  title: string,
): Promise<URL> {
  await page.goto(`${origin}/document?name=${user}`);
  await page.waitFor(`!document.getElementById("choose").hidden`);
  await type(page, "#new-title", title);
  await page.evaluateText(`document.getElementById("new-form").requestSubmit()`);
  await page.waitFor(`location.hash.includes("key=") && ${SAVED}`);
  return new URL(await page.evaluateText("location.href") as string);
}

/** Opens a shared link as a user. */
export async function openDocument(page: BrowserPage, link: URL, user: string, query = ""): Promise<void> {
  await page.goto(`${link.origin}/document?name=${user}${query}${link.hash}`);
  await page.waitFor(`${SAVED} && !document.getElementById("area").readOnly`);
}

/** Waits until all that was written is kept and the pages show the same text; resolves with it. */
export async function agree(pages: BrowserPage[]): Promise<string> {
  for (let i = 0;; i++) {
    const texts: unknown[] = [];
    for (const page of pages) {
      await page.waitFor(SAVED, 30_000);
      texts.push(await page.evaluateText(TEXT));
    }
    if (texts.every((text) => text === texts[0])) return texts[0] as string;
    // What the one has saved is on its way to the other.
    assert.ok(i < 200, `they do not agree:\n${texts.join("\n---\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
