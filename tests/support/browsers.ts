/**
 * Real browsers for tests: Debian's Chromium by playwright-core, Debian's Firefox ESR by puppeteer-core over
 * WebDriver BiDi. Each run has a deadline, and its browser has ended when the call returns.
 *
 * @module
 */

import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { find } from "./needs.ts";

/** What tests use of a page, the same for both browsers. */
export interface BrowserPage {
  /** Opens an address and waits until it has loaded. */
  goto(url: string): Promise<void>;
  /**
   * Runs a function in the page and returns its result. The function cannot use variables of the test: it gets only its
   * argument. Argument and result are sent as JSON.
   */
  evaluate<T, A = undefined>(fn: (argument: A) => T | Promise<T>, argument?: A): Promise<T>;
  /** Runs source text in the page; a promise is awaited. */
  evaluateText(source: string): Promise<unknown>;
  /** Waits until `source`, an expression in the page, is truthy. Rejects with what the page logged. */
  waitFor(source: string, timeoutMs?: number): Promise<void>;
  /** Opens another page that shares this one's storage, with a log of its own. */
  newTab(): Promise<BrowserPage>;
  /** Closes it, as a user closes a tab. */
  close(): Promise<void>;
  /** Sends a command of the DevTools protocol; Chromium alone. */
  devtools(method: string, parameters: object): Promise<void>;
  /** What the page wrote to its console, and its uncaught errors, oldest first; the last 200. */
  readonly log: readonly string[];
}

/** A running browser. */
export interface TestBrowser {
  readonly name: "chromium" | "firefox";
  /** Opens another page, with a log of its own. */
  newPage(): Promise<BrowserPage>;
}

/** Bounds of a browser's life. */
export interface BrowserOptions {
  /** Milliseconds for all of it: launch, test and end. @default 120000 */
  readonly timeout?: number;
  /** More arguments for Chromium's command line. @default none */
  readonly chromiumFlags?: readonly string[];
  /** More preferences for Firefox. @default none */
  readonly firefoxPreferences?: Readonly<Record<string, unknown>>;
}

const CHROMIUM_FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

const FIREFOX_PREFERENCES = {
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  // Loopback needs no proxy, whatever the machine's environment says.
  "network.proxy.type": 0,
};

const LOG_LINES = 200;

/** Runs `fn` with a page of Debian's Chromium. */
export function withChromium<T>(
  fn: (page: BrowserPage, browser: TestBrowser) => Promise<T>,
  options: BrowserOptions = {},
): Promise<T> {
  return bounded("Chromium", options, async (onEnd, left) => {
    const executablePath = find("chromium");
    if (executablePath === undefined) throw new Error("Chromium is not installed");
    const args = [...CHROMIUM_FLAGS, ...options.chromiumFlags ?? []];
    const browser = await chromium.launch({ executablePath, args, timeout: left() });
    onEnd(() => browser.close());
    const wrap = (page: Awaited<ReturnType<typeof browser.newPage>>): BrowserPage => {
      page.setDefaultTimeout(left());
      const log = makeLog();
      page.on("console", (message) => log.add(`${message.type()}: ${message.text()}`));
      page.on("pageerror", (error) => log.add(`uncaught: ${error.message}`));
      return makePage(log.lines, {
        goto: (url) => page.goto(url),
        evaluate: (source) => page.evaluate(source),
        newTab: async () => wrap(await page.context().newPage()),
        close: () => page.close(),
        async devtools(method, parameters) {
          const session = await page.context().newCDPSession(page);
          await session.send(method as "Page.enable", parameters);
        },
      }, left);
    };
    const testBrowser: TestBrowser = {
      name: "chromium",
      async newPage() {
        return wrap(await (await browser.newContext()).newPage());
      },
    };
    return await fn(await testBrowser.newPage(), testBrowser);
  });
}

/** Runs `fn` with a page of Debian's Firefox ESR. */
export function withFirefox<T>(
  fn: (page: BrowserPage, browser: TestBrowser) => Promise<T>,
  options: BrowserOptions = {},
): Promise<T> {
  return bounded("Firefox", options, async (onEnd, left) => {
    const executablePath = find("firefox");
    if (executablePath === undefined) throw new Error("Firefox is not installed");
    // Firefox writes into its home directory; puppeteer makes the profile.
    const home = await Deno.makeTempDir({ prefix: "skein-firefox-" });
    onEnd(() => Deno.remove(home, { recursive: true }));
    const browser = await puppeteer.launch({
      browser: "firefox",
      protocol: "webDriverBiDi",
      executablePath,
      headless: true,
      timeout: left(),
      protocolTimeout: left(),
      env: { ...Deno.env.toObject(), HOME: home, MOZ_CRASHREPORTER_DISABLE: "1" },
      extraPrefsFirefox: { ...FIREFOX_PREFERENCES, ...options.firefoxPreferences },
    });
    onEnd(() => browser.close());
    const newPage = async (): Promise<BrowserPage> => {
      const page = await browser.newPage();
      page.setDefaultTimeout(left());
      const log = makeLog();
      page.on("console", (message) => log.add(`${message.type()}: ${message.text()}`));
      page.on("pageerror", (error) => log.add(`uncaught: ${error instanceof Error ? error.message : error}`));
      return makePage(log.lines, {
        goto: (url) => page.goto(url),
        evaluate: (source) => page.evaluate(source),
        // All pages of this Firefox share their storage.
        newTab: newPage,
        close: () => page.close(),
        devtools: () => Promise.reject(new Error("Firefox has no DevTools protocol")),
      }, left);
    };
    const testBrowser: TestBrowser = {
      name: "firefox",
      newPage,
    };
    return await fn(await testBrowser.newPage(), testBrowser);
  });
}

/** Runs `fn` in each of the two, one after the other. */
export async function withEachBrowser(
  fn: (page: BrowserPage, browser: TestBrowser) => Promise<void>,
  options: BrowserOptions = {},
): Promise<void> {
  await withChromium(fn, options);
  await withFirefox(fn, options);
}

interface RawPage extends Pick<BrowserPage, "newTab" | "close" | "devtools"> {
  goto(url: string): Promise<unknown>;
  evaluate(source: string): Promise<unknown>;
}

function makePage(log: readonly string[], raw: RawPage, left: () => number): BrowserPage {
  const withLog = (error: unknown): never => {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\nthe page's log:\n  ${log.join("\n  ") || "(empty)"}`, { cause: error });
  };
  return {
    log,
    async goto(url) {
      await raw.goto(url).catch(withLog);
    },
    async evaluate<T, A>(fn: (argument: A) => T | Promise<T>, argument?: A): Promise<T> {
      const json = argument === undefined ? "undefined" : JSON.stringify(argument);
      return await raw.evaluate(`(${fn})(${json})`).catch(withLog) as T;
    },
    evaluateText: (source) => raw.evaluate(source).catch(withLog),
    newTab: raw.newTab,
    close: raw.close,
    devtools: raw.devtools,
    async waitFor(source, timeoutMs = 30_000) {
      const until = Date.now() + Math.min(timeoutMs, left());
      for (;;) {
        if (await raw.evaluate(`Boolean(${source})`).catch(withLog)) return;
        if (Date.now() > until) withLog(new Error(`not within ${timeoutMs} ms: ${source}`));
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
  };
}

function makeLog(): { lines: string[]; add(line: string): void } {
  const lines: string[] = [];
  return {
    lines,
    add(line) {
      lines.push(line);
      if (lines.length > LOG_LINES) lines.shift();
    },
  };
}

/**
 * Runs `body` with a deadline. The functions that it gives to `onEnd` are run afterwards in reverse order; when one
 * fails, the test fails.
 */
async function bounded<T>(
  name: string,
  { timeout = 120_000 }: BrowserOptions,
  body: (onEnd: (end: () => Promise<void>) => void, left: () => number) => Promise<T>,
): Promise<T> {
  const until = Date.now() + timeout;
  const ends: (() => Promise<void>)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: the test took more than ${timeout} ms`)), timeout);
  });
  try {
    const running = body((end) => ends.unshift(end), () => Math.max(1, until - Date.now()));
    // After the deadline a failure of the body is of no interest.
    running.catch(() => {});
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
    for (const end of ends) await end();
  }
}
