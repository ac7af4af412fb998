/**
 * Pages with peers, and a service in a process of its own.
 *
 * @module
 */

import { makePlace, type Place } from "../crash/server.ts";
import type { BrowserPage } from "../support/browsers.ts";
import type { Joined, PageOptions } from "./browser_page.ts";

const ROOT = new URL("../../", import.meta.url);

declare const join: (options: PageOptions) => Promise<Joined>;
declare let joined: Joined;

/** The script of the pages. */
async function buildPage(): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const noNative = new URL("src/client/build/no_native.ts", ROOT).href;
    const map = {
      imports: {
        ...Object.fromEntries(
          ["yjs", "y-protocols/awareness", "valibot"].map((name) => [name, imports[name]]),
        ),
        [new URL("src/client/native.ts", ROOT).href]: noNative,
        [new URL("src/quic/native.ts", ROOT).href]: noNative,
      },
    };
    await Deno.writeTextFile(`${directory}/map.json`, JSON.stringify(map));
    const page = new URL("browser_page.ts", import.meta.url).pathname;
    const args = ["bundle", "--quiet", "--no-lock", "--platform=browser", "--format=esm"];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, `--import-map=${directory}/map.json`, "-o", `${directory}/page.js`, page],
      cwd: ROOT.pathname,
      stdout: "null",
      stderr: "piped",
      signal: AbortSignal.timeout(60_000),
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return await Deno.readTextFile(`${directory}/page.js`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A place for a service that pages of other origins may use. */
export async function place(): Promise<Place> {
  const made = await makePlace();
  const path = `${made.directory}/skein.jsonc`;
  const config = JSON.parse(await Deno.readTextFile(path));
  config.http.allowedOrigins = ["*"];
  await Deno.writeTextFile(path, JSON.stringify(config));
  return made;
}

/** Serves the page of the tests. */
export async function servePage(): Promise<{ origin: string } & AsyncDisposable> {
  const code = await buildPage();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const isScript = new URL(request.url).pathname === "/page.js";
    const body = isScript
      ? code
      : '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';
    return new Response(body, { headers: { "content-type": isScript ? "text/javascript" : "text/html" } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Opens the document in a page. */
export async function joinPage(page: BrowserPage, origin: string, options: PageOptions): Promise<void> {
  await page.goto(origin);
  await page.evaluate(async (options: PageOptions) => {
    (globalThis as { joined?: Joined }).joined = await join(options);
  }, options);
}

/** Writes at the end of the document. */
export async function write(page: BrowserPage, text: string): Promise<void> {
  await page.evaluate((text: string) => void joined.write(text), text);
}

/** Waits until a page reads `text`. */
export async function reads(page: BrowserPage, text: string): Promise<void> {
  await waitFor(page, `joined.text === ${JSON.stringify(text)}`);
}

/** As `page.waitFor`, with what the page knows of its peers in the error. */
export async function waitFor(page: BrowserPage, source: string): Promise<void> {
  try {
    await page.waitFor(source, 120_000);
  } catch (cause) {
    const state = await page.evaluateText(
      "JSON.stringify({ text: joined.text, peers: joined.shared.peers.length, errors: joined.errors, paths: joined.paths })",
    );
    throw new Error(`${(cause as Error).message}\n${state}`, { cause });
  }
}

/** On a machine that is busy the first attempts may find no path in time: from now on only other errors count. */
export async function forget(page: BrowserPage): Promise<void> {
  await page.evaluate(() => void joined.errors.splice(0));
}
