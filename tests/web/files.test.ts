/** Files, edits and read positions in the page of the conversation. */

import assert from "node:assert/strict";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { buildBundles, OPEN, Place } from "./support.ts";

await buildBundles();

const SAID = `[...document.querySelectorAll("#messages .said")].map((e) => e.textContent)`;
const FILES = `[...document.querySelectorAll("#messages .file")].map((e) => e.innerText)`;
/** A picture of one point. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async function join(page: BrowserPage, place: Place, name: string, query = ""): Promise<void> {
  await page.goto(`${place.service.url}/?name=${name}${query}`);
  await page.waitFor(OPEN);
}

async function say(page: BrowserPage, text: string): Promise<void> {
  await page.evaluate((said) => {
    document.querySelector<HTMLInputElement>("#text")!.value = said;
    document.querySelector<HTMLFormElement>("#say")!.requestSubmit();
  }, text);
  await page.waitFor(
    `[...document.querySelectorAll('.own[data-sent="yes"] .said')].some((e) => e.textContent === ${
      JSON.stringify(text)
    })`,
  );
}

interface Sent {
  name: string;
  type: string;
  /** In base64; absent: made of `size` bytes that look like noise. */
  bytes?: string;
  size?: number;
}

/** Sends a file by the button's field or by a drop; resolves with its SHA-256. */
function send(page: BrowserPage, file: Sent, by: "field" | "drop"): Promise<string> {
  return page.evaluate(async ({ file, by }: { file: Sent; by: string }) => {
    const bytes = file.bytes === undefined
      ? Uint8Array.from({ length: file.size! }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255)
      : Uint8Array.from(atob(file.bytes), (c) => c.charCodeAt(0));
    const carrier = new DataTransfer();
    carrier.items.add(new File([bytes], file.name, { type: file.type }));
    if (by === "field") {
      const field = document.querySelector<HTMLInputElement>("#file")!;
      field.files = carrier.files;
      field.dispatchEvent(new Event("change"));
    } else {
      const talk = document.querySelector("#talk")!;
      for (const type of ["dragover", "drop"]) {
        talk.dispatchEvent(new DragEvent(type, { dataTransfer: carrier, bubbles: true, cancelable: true }));
      }
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }, { file, by });
}

/** Follows the link of the last file as a click does, and fetches where it leads. */
function follow(
  page: BrowserPage,
): Promise<{ sha256: string; headers: Record<string, string>; bare: number }> {
  return page.evaluate(async () => {
    const link = [...document.querySelectorAll<HTMLAnchorElement>("#messages .file a")].at(-1)!;
    const { click } = HTMLAnchorElement.prototype;
    const leads = new Promise<HTMLAnchorElement>((resolve) => {
      // The browser would save it somewhere.
      HTMLAnchorElement.prototype.click = function () {
        resolve(this);
      };
    });
    link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    const target = await leads;
    HTMLAnchorElement.prototype.click = click;
    if (!target.hasAttribute("download")) throw new Error("it would be opened");
    const answer = await fetch(target.href);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await answer.arrayBuffer()));
    return {
      sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      headers: Object.fromEntries(answer.headers),
      bare: (await fetch(link.href)).status,
    };
  });
}

testWith(
  ["chromium", "firefox"],
  "page files: a file that one sends comes to the other with the same bytes, both ways",
  () =>
    Place.with((place) =>
      withChromium((ann) =>
        withFirefox(async (bob) => {
          await join(ann, place, "ann");
          await join(bob, place, "bob", "&transport=websocket");
          for (const [from, to, by] of [[ann, bob, "field"], [bob, ann, "drop"]] as const) {
            const page = { name: `<b>of ${by} é.html`, type: "text/html", size: 300_000 };
            const sent = await send(from, page, by);
            // Names are text, and of what file systems do not take nothing is left.
            for (const page of [from, to]) {
              await page.waitFor(`${FILES}.at(-1)?.includes("_b_of ${by} é.html")`, 20_000);
            }
            assert.equal(await to.evaluateText(`document.querySelectorAll(".file b").length`), 0);
            assert.match(await to.evaluateText(`${FILES}.at(-1)`) as string, /300 KB/);
            const { sha256, headers, bare } = await follow(to);
            assert.equal(sha256, sent);
            assert.match(headers["content-disposition"]!, /^attachment;/);
            assert.match(headers["content-security-policy"]!, /sandbox/);
            assert.equal(bare, 401);
            assert.equal(await from.evaluateText(`document.querySelectorAll("#uploads li").length`), 0);

            // A picture is shown, what only says to be one is not.
            const pictures = await to.evaluateText(`document.querySelectorAll(".file img").length`) as number;
            await send(from, { name: `${by}.png`, type: "image/png", bytes: PNG }, by);
            for (const page of [from, to]) {
              await page.waitFor(
                `[...document.querySelectorAll(".file img")].at(-1)?.naturalWidth === 1`,
                20_000,
              );
            }
            await send(from, {
              name: `${by} not.png`,
              type: "image/png",
              bytes: btoa("<svg onload=alert(1)>"),
            }, by);
            await to.waitFor(`${FILES}.at(-1)?.includes("${by} not.png")`, 20_000);
            await to.waitFor(`document.querySelectorAll(".file img").length === ${pictures + 1}`);
          }
          assert.deepEqual(
            [...ann.log, ...bob.log].filter((line) => /uncaught/i.test(line)),
            [],
          );
        })
      )
    ),
);

testWith(
  ["chromium"],
  "page files: an upload is paused, goes on, and is cancelled, and what the service refuses is told",
  () =>
    Place.with((place) =>
      withChromium(async (ann) => {
        await join(ann, place, "ann");
        const press = (label: string) =>
          ann.evaluate((label) => {
            [...document.querySelectorAll<HTMLButtonElement>("#uploads button")].find((button) =>
              button.textContent === label
            )!.click();
          }, label);
        const progress = `document.querySelector("#uploads progress")?.value`;
        const large = { name: "large.bin", type: "", size: 25_000_000 };
        await send(ann, large, "field");
        await ann.waitFor(`${progress} > 0`, 20_000);
        await press("Pause");
        await ann.waitFor(
          `document.querySelector("#uploads [role=status]").textContent.endsWith(", paused")`,
        );
        assert.ok(await ann.evaluateText(progress) as number < large.size);
        await press("Resume");
        await ann.waitFor(`${FILES}.at(-1)?.includes("large.bin")`, 40_000);
        await ann.waitFor(`document.querySelectorAll("#uploads li").length === 0`);

        await send(ann, { ...large, name: "other.bin", size: large.size - 1 }, "field");
        await ann.waitFor(`${progress} > 0`, 20_000);
        await press("Pause");
        await press("Cancel");
        await ann.waitFor(`document.querySelectorAll("#uploads li").length === 0`);
        assert.equal(await ann.evaluateText(`${FILES}.length`), 1);

        await place.service.reconfigure({ files: { maxSize: "1KiB" } });
        await send(ann, { name: "too large.bin", type: "", size: 5000 }, "field");
        await ann.waitFor(`document.querySelector("#uploads .error")?.textContent.startsWith("not sent: ")`);
        await press("Dismiss");
        await ann.waitFor(`document.querySelectorAll("#uploads li").length === 0`);
      })
    ),
);

testWith(
  ["chromium"],
  "page files: what one said is edited and deleted for all, and stays so after a reload",
  () =>
    Place.with((place) =>
      withChromium(async (ann, browser) => {
        const bob = await browser.newPage();
        await join(ann, place, "ann");
        await join(bob, place, "bob");
        await say(ann, "first");
        await say(ann, "secret");
        await bob.waitFor(`${SAID}.includes("secret")`);
        const press = (text: string, label: string) =>
          ann.evaluate(({ text, label }) => {
            const item = [...document.querySelectorAll("#messages li")].find((item) =>
              item.querySelector(".said")?.textContent === text
            )!;
            [...item.querySelectorAll("button")].find((button) => button.textContent!.startsWith(label))!
              .click();
          }, { text, label });
        await press("first", "Edit");
        await ann.evaluate(() => {
          document.querySelector<HTMLInputElement>(".editing input")!.value = "<i>anew</i>";
          document.querySelector<HTMLFormElement>("form.editing")!.requestSubmit();
        });
        await press("secret", "Delete");
        // Asked once more before that.
        await bob.waitFor(`${SAID}.join() === "<i>anew</i>,secret"`);
        await press("secret", "Delete for good");
        const after = `${SAID}.join() === "<i>anew</i>,deleted"`;
        await ann.waitFor(after);
        await bob.waitFor(after);
        // One's own alone: bob has nothing to press.
        assert.equal(await bob.evaluateText(`document.querySelectorAll(".actions").length`), 0);
        assert.equal(await ann.evaluateText(`document.querySelectorAll(".actions").length`), 1);
        await join(bob, place, "bob");
        await bob.waitFor(after);
      })
    ),
);

testWith(
  ["chromium"],
  "page files: who comes back finds a line above what is new, and none when all was read",
  () =>
    Place.with((place) =>
      withChromium(async (ann, browser) => {
        const bob = await browser.newPage();
        await join(ann, place, "ann");
        await join(bob, place, "bob");
        await say(ann, "seen");
        await bob.waitFor(`${SAID}.includes("seen")`);
        await using reader = await place.service.connect("websocket", "bob");
        const unread = async () =>
          (await reader.ask("unread", { channels: ["chat:general"] })).payload.channels as {
            "chat:general": { unread: number };
          };
        for (let i = 0; (await unread())["chat:general"].unread > 0; i++) {
          assert.ok(i < 200, "nothing was read");
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
        await bob.goto("about:blank");
        await say(ann, "unseen");
        await join(bob, place, "bob");
        const lines = `[...document.querySelectorAll("#messages > li")].map((e) =>
        e.classList.contains("divider") ? "--" : e.querySelector(".said").textContent).join()`;
        await bob.waitFor(`${lines} === "seen,--,unseen"`);
        await join(ann, place, "ann");
        await ann.waitFor(`${lines} === "seen,unseen"`);
      })
    ),
);
