import assert from "node:assert/strict";
import { type BrowserPage, type TestBrowser, withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { buildBundles, OPEN } from "./support.ts";

await buildBundles();

const messages = `[...document.querySelectorAll("#messages .said")].map((e) => e.textContent)`;

async function withService(
  run: (service: TestService, page: BrowserPage, browser: TestBrowser) => Promise<void>,
  input: Parameters<typeof startTestService>[0] = {},
): Promise<void> {
  const service = await startTestService(input);
  try {
    await withChromium((page, browser) => run(service, page, browser));
  } finally {
    await service.stop();
  }
}

async function join(page: BrowserPage, service: TestService, name: string, query = ""): Promise<void> {
  await page.goto(`${service.url}/?name=${name}${query}`);
  await page.waitFor(OPEN);
}

async function say(page: BrowserPage, text: string): Promise<void> {
  await page.evaluate((said) => {
    document.querySelector<HTMLInputElement>("#text")!.value = said;
    document.querySelector<HTMLFormElement>("#say")!.requestSubmit();
  }, text);
}

function shows(text: string): string {
  return `${messages}.includes(${JSON.stringify(text)})`;
}

testWith(
  ["chromium"],
  "page: two people talk, one on WebTransport and one on WebSocket, and each sees on what",
  () =>
    withService(async (service, ann, browser) => {
      const bob = await browser.newPage();
      await join(ann, service, "ann");
      await join(bob, service, "bob", "&transport=websocket");
      // On a busy machine WebSocket may win the race at first: WebTransport is tried again after five seconds.
      await ann.waitFor(`document.getElementById("transport").textContent === "WebTransport"`);
      assert.equal(await bob.evaluateText(`document.getElementById("transport").textContent`), "WebSocket");
      const people = `[...document.querySelectorAll("#people li")].map((e) => e.textContent).join()`;
      await ann.waitFor(`${people} === "ann,bob"`);
      await bob.waitFor(`${people} === "ann,bob"`);

      for (let i = 0; i < 5; i++) await say(ann, `from ann ${i}`);
      await bob.waitFor(shows("from ann 4"));
      const markup = "<img src=x onerror=alert(1)> & \u202e😀";
      await say(bob, markup);
      await ann.waitFor(shows(markup));
      const expected = [0, 1, 2, 3, 4].map((i) => `from ann ${i}`).concat(markup);
      assert.deepEqual(await ann.evaluateText(messages), expected);
      assert.deepEqual(await bob.evaluateText(messages), expected);
      await ann.waitFor(`document.querySelectorAll('.own[data-sent="yes"]').length === 5`);
      assert.equal(await ann.evaluateText(`document.querySelectorAll("#messages img").length`), 0);

      await bob.evaluate(() => {
        const text = document.querySelector<HTMLInputElement>("#text")!;
        text.value = "w";
        text.dispatchEvent(new Event("input"));
      });
      await ann.waitFor(`document.getElementById("typing").textContent.startsWith("bob is typing")`);
      await say(bob, "done");
      await ann.waitFor(`document.getElementById("typing").textContent === ""`);
      assert.deepEqual([...ann.log, ...bob.log].filter((line) => /error|uncaught/i.test(line)), []);
    }),
);

testWith(
  ["chromium"],
  "page: a page that comes late reads what was said before, once, after a reload too",
  () =>
    withService(async (service, ann, browser) => {
      await join(ann, service, "ann");
      await say(ann, "early");
      await ann.waitFor(`document.querySelector('.own[data-sent="yes"]')`);
      const bob = await browser.newPage();
      for (let i = 0; i < 2; i++) {
        await join(bob, service, "bob");
        await bob.waitFor(shows("early"));
        assert.deepEqual(await bob.evaluateText(messages), ["early"]);
      }
    }),
);

testWith(
  ["chromium"],
  "page: where WebTransport cannot be had the page goes to WebSocket, and says so to the service",
  () =>
    withService(async (service, page) => {
      await page.goto(`${service.url}/`);
      // What a network that drops UDP looks like to a page, without the wait.
      await page.evaluate(() => {
        globalThis.WebTransport = class {
          closed = Promise.reject(new Error("dropped"));
          ready = Promise.reject(new Error("dropped"));
          close() {}
        } as unknown as typeof WebTransport;
        document.querySelector<HTMLInputElement>("#name")!.value = "ann";
        document.querySelector<HTMLFormElement>("#enter-form")!.requestSubmit();
      });
      await page.waitFor(OPEN);
      assert.equal(await page.evaluateText(`document.getElementById("transport").textContent`), "WebSocket");
      let fallbacks = 0;
      for (let i = 0; i < 1_500 && fallbacks === 0; i++) {
        fallbacks = (await service.stats()).fallbacks.webtransport ?? 0;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(fallbacks, 1);
    }),
);

testWith(
  ["chromium"],
  "page: what is said while the connection is away arrives once it is back, in order",
  () =>
    withService(async (service, ann, browser) => {
      const bob = await browser.newPage();
      await join(ann, service, "ann");
      await join(bob, service, "bob", "&transport=websocket");
      await say(ann, "before");
      await bob.waitFor(shows("before"));
      // QUIC goes away under ann, who comes back on WebSocket.
      const off = service.reconfigure({ quic: { enabled: false } });
      await say(ann, "away 1");
      await say(ann, "away 2");
      await say(bob, "meanwhile");
      await off;
      await ann.waitFor(
        `${OPEN} && document.getElementById("transport").textContent === "WebSocket"`,
        20_000,
      );
      for (const page of [ann, bob]) {
        await page.waitFor(shows("away 2"));
        await page.waitFor(shows("meanwhile"));
      }
      await ann.waitFor(`document.querySelectorAll('.own[data-sent="yes"]').length === 3`);
      const seen = await bob.evaluateText(messages) as string[];
      assert.deepEqual(await ann.evaluateText(messages), seen);
      assert.deepEqual(seen.filter((text) => text !== "meanwhile"), ["before", "away 1", "away 2"]);
      assert.equal(seen.filter((text) => text === "meanwhile").length, 1);
    }),
);

testWith(
  ["chromium"],
  "page: a name that is none is told before anything is dialled",
  () =>
    withService(async (service, page) => {
      await page.goto(`${service.url}/`);
      await page.evaluate(() => {
        const name = document.querySelector<HTMLInputElement>("#name")!;
        name.removeAttribute("pattern");
        name.value = "two words";
        document.querySelector<HTMLFormElement>("#enter-form")!.requestSubmit();
      });
      await page.waitFor(`document.getElementById("enter-error").textContent !== ""`);
      assert.match(
        String(await page.evaluateText(`document.getElementById("enter-error").textContent`)),
        /user/,
      );
      assert.equal((await service.stats()).connections, 0);
    }),
);

testWith(
  ["chromium"],
  "page: the dashboard shows figures, and asks for the key where one is needed",
  async () => {
    const key = "a-key-of-more-than-16";
    await withService(async (service, page) => {
      await page.goto(`${service.url}/admin`);
      await page.waitFor(`!document.getElementById("key-form").hidden`);
      const give = async (text: string) => {
        await page.evaluate((value) => {
          document.querySelector<HTMLInputElement>("#key")!.value = value;
          document.querySelector<HTMLFormElement>("#key-form")!.requestSubmit();
        }, text);
      };
      await give("not-the-key-at-all");
      await page.waitFor(`document.getElementById("key-error").textContent === "key not accepted"`);
      await give(key);
      await page.waitFor(`!document.getElementById("figures").hidden`);
      const rows =
        `[...document.querySelectorAll("#transports tr")].map((e) => e.cells[0].textContent).join()`;
      assert.equal(await page.evaluateText(rows), "webtransport,quic,websocket");
      assert.equal(await page.evaluateText(`sessionStorage.getItem("key")`), key);
    }, { api: { keys: [key] } });
  },
);
