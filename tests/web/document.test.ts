/** Documents in the page, in both browsers: written together, offline, through restarts and reloads, encrypted. */

import assert from "node:assert/strict";
import { type BrowserPage, type TestBrowser, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { agree, buildBundles, createDocument, openDocument, Place, SAVED, TEXT, type } from "./support.ts";

await buildBundles();

const SECRET = "Xylophone-Quarterly";
const CARETS = `[...document.querySelectorAll("#carets .caret b")].map((e) => e.textContent).join()`;
const OTHERS = `[...document.querySelectorAll("#others li")].map((e) => e.textContent).join()`;

/** Types words one after the other at places all over the text, in the page itself; no word is written into. */
async function write(page: BrowserPage, words: string[]): Promise<void> {
  await page.evaluate(async (words) => {
    const area = document.querySelector<HTMLTextAreaElement>("#area")!;
    area.focus();
    for (const [i, word] of words.entries()) {
      const gaps = [0, area.value.length];
      for (let at = area.value.indexOf("|"); at >= 0; at = area.value.indexOf("|", at + 1)) gaps.push(at + 1);
      const at = gaps[(i * 7919) % gaps.length]!;
      area.setSelectionRange(at, at);
      document.execCommand("insertText", false, word);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }, words);
}

function wordsOf(text: string): string[] {
  return text.split("|").filter((word) => word !== "").sort();
}

function unexpected(page: BrowserPage): string[] {
  // While the service is away a browser logs each attempt to reach it.
  const away =
    /ERR_CONNECTION|ERR_QUIC|Failed to load resource|code: 503|establish a connection|was interrupted while|WebTransport|NetworkError/;
  return page.log.filter((line) => /error|uncaught/i.test(line) && !away.test(line));
}

testWith(
  ["chromium", "firefox"],
  "document page: Chromium and Firefox write one encrypted document at the same time, the service restarts, and it never has text or key",
  () =>
    Place.with((place) =>
      withChromium((ann, browser) =>
        withFirefox(async (bob) => {
          const link = await createDocument(ann, place.service.url, "ann", `${SECRET} minutes`);
          await openDocument(bob, link, "bob");
          assert.equal(await bob.evaluateText(`document.getElementById("title").value`), `${SECRET} minutes`);
          assert.equal(
            await ann.evaluateText(`document.getElementById("sealed").textContent`),
            "end-to-end encrypted",
          );

          const words = (who: string) => Array.from({ length: 60 }, (_, i) => `${SECRET} ${who}${i} 😀|`);
          const writing = Promise.all([write(ann, words("ann")), write(bob, words("bob"))]);
          await ann.waitFor(`${TEXT}.includes("bob5")`);
          await bob.waitFor(`${TEXT}.includes("ann5")`);
          const hasEnded = place.stop();
          await Promise.all([ann, bob].map((page) =>
            page.waitFor(`document.querySelector('#saved[data-state="offline"]')`, 20_000)
          ));
          await writing;
          await hasEnded;
          await place.start();
          const text = await agree([ann, bob]);
          assert.deepEqual(wordsOf(text), wordsOf([...words("ann"), ...words("bob")].join("")));

          // A newcomer has it from the service alone.
          const carl = await browser.newPage();
          await openDocument(carl, link, "carl", "&transport=websocket");
          assert.equal(await carl.evaluateText(TEXT), text);
          await carl.waitFor(`${OTHERS} === "carl (you),ann,bob" || ${OTHERS} === "carl (you),bob,ann"`);
          for (const page of [ann, bob, carl]) {
            assert.deepEqual(unexpected(page), []);
          }

          await place.stop();
          const id = new URLSearchParams(link.hash.slice(1)).get("doc")!;
          const key = new URLSearchParams(link.hash.slice(1)).get("key")!;
          assert.equal(key.length, 43);
          const kept: string[] = [JSON.stringify(place.lines)];
          for await (const entry of Deno.readDir(place.directory)) {
            if (entry.name.startsWith("skein.db")) {
              kept.push(
                new TextDecoder("latin1").decode(await Deno.readFile(`${place.directory}/${entry.name}`)),
              );
            }
          }
          assert.ok(
            kept.some((bytes) =>
              bytes.includes(`doc:${id}`)
            ),
            "the document is not in the database",
          );
          const raw = new TextDecoder("latin1").decode(Uint8Array.fromBase64(key, { alphabet: "base64url" }));
          for (const bytes of kept) {
            for (const secret of [SECRET, key, raw]) assert.ok(!bytes.includes(secret));
          }
        })
      )
    ),
);

testWith(
  ["chromium", "firefox"],
  "document page: others' carets are seen, and what they write leaves the selection where it is",
  () =>
    Place.with((place) =>
      withChromium((ann) =>
        withFirefox(async (bob) => {
          const link = await createDocument(ann, place.service.url, "ann", "");
          await type(ann, "#area", "one two three");
          await openDocument(bob, link, "bob");
          for (const [page, other, name] of [[ann, bob, "bob"], [bob, ann, "ann"]] as const) {
            await page.evaluateText(`document.getElementById("area").setSelectionRange(4, 7, "backward")`);
            const said = ["zero ", "<b>bold</b> ", "\n\n"].join("");
            const before = await page.evaluateText(TEXT) as string;
            await type(other, "#area", said, 0);
            await type(other, "#area", " four");
            await page.waitFor(`${TEXT} === ${JSON.stringify(`${said}${before} four`)}`);
            const { start, end, direction } = await page.evaluate(() => {
              const { selectionStart, selectionEnd, selectionDirection } = document.querySelector<
                HTMLTextAreaElement
              >(
                "#area",
              )!;
              return { start: selectionStart, end: selectionEnd, direction: selectionDirection };
            });
            assert.deepEqual([start, end, direction], [4 + said.length, 7 + said.length, "backward"]);
            await page.waitFor(`${CARETS} === ${JSON.stringify(name)}`);
          }
          // Over a text that is longer than the field the copy wraps where the field does.
          await type(
            ann,
            "#area",
            `\n${"long words and a\ttab 😀 ".repeat(40)}\n${"x".repeat(500)}\n`.repeat(4),
          );
          for (const page of [ann, bob]) {
            await page.waitFor(
              `document.querySelector("#carets .copy")?.scrollHeight === document.getElementById("area").scrollHeight`,
            );
          }
          // Who comes back after a reload is one person with one caret.
          await bob.goto("about:blank");
          await openDocument(bob, link, "bob");
          await type(bob, "#area", "again", 0);
          await ann.waitFor(
            `${TEXT}.startsWith("again") && ${CARETS} === "bob" && ${OTHERS} === "ann (you),bob"`,
          );
        })
      )
    ),
);

const EACH: [name: "chromium" | "firefox", run: typeof withChromium][] = [
  ["chromium", withChromium],
  ["firefox", withFirefox],
];

for (const [name, withBrowser] of EACH) {
  const title =
    `${name}: what is written offline merges with what others wrote, and a reload loses none of it`;
  const body = () =>
    Place.with((place) =>
      withBrowser(async (ann: BrowserPage, browser: TestBrowser) => {
        const target = { hostname: "127.0.0.1", port: place.port };
        const proxy = new TcpProxy({ target });
        const setOnline = (isOnline: boolean): void => {
          // Port 9 of this machine takes no connections.
          target.port = isOnline ? place.port : 9;
          if (!isOnline) proxy.cut();
        };
        try {
          const link = await createDocument(ann, place.service.url, "ann", "Plan");
          await type(ann, "#area", "a1|");
          const bob = await browser.newPage();
          const bobs = new URL(link.hash, `http://127.0.0.1:${proxy.port}/document`);
          await openDocument(bob, bobs, "bob", "&transport=websocket");

          setOnline(false);
          await bob.waitFor(`document.querySelector('#saved[data-state="offline"]')`);
          await type(bob, "#area", "b1|b2|");
          await type(bob, "#area", "b3|", 0);
          await type(ann, "#area", "a2|");
          await bob.waitFor(
            `document.getElementById("saved").textContent === "offline: 2 changes are kept here"`,
          );
          setOnline(true);
          await bob.evaluateText(`dispatchEvent(new Event("online"))`);
          assert.deepEqual(wordsOf(await agree([ann, bob])), ["a1", "a2", "b1", "b2", "b3"]);

          setOnline(false);
          await bob.waitFor(`document.querySelector('#saved[data-state="offline"]')`);
          for (const word of ["c1|", "c2|", "c3|"]) await type(bob, "#area", word);
          await type(bob, "#title", " B");
          await bob.waitFor(
            `document.getElementById("saved").textContent === "offline: 4 changes are kept here"`,
          );
          await untilKept(bob, 4);
          await bob.goto("about:blank");
          await type(ann, "#area", "a3|");
          setOnline(true);
          await openDocument(bob, bobs, "bob");
          const all = ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"];
          await ann.waitFor(`${TEXT}.includes("c3")`);
          assert.deepEqual(wordsOf(await agree([ann, bob])), all);
          assert.equal(await ann.evaluateText(`document.getElementById("title").value`), "Plan B");
          await untilKept(bob, 0);
        } finally {
          await proxy.close();
        }
      })
    );
  if (name === "chromium") testWith(["chromium"], title, body);
  else testWith(["firefox"], title, body);
}

for (const [name, withBrowser] of EACH) {
  const title = `${name}: what others write while a character is composed waits until it is whole`;
  const body = () =>
    Place.with((place) =>
      withBrowser(async (ann: BrowserPage, browser: TestBrowser) => {
        const link = await createDocument(ann, place.service.url, "ann", "");
        await type(ann, "#area", "one three");
        const bob = await browser.newPage();
        await openDocument(bob, link, "bob");
        const compose = (kind: string, text: string, from: number, to: number) =>
          ann.evaluate(({ kind, text, from, to }) => {
            const area = document.querySelector<HTMLTextAreaElement>("#area")!;
            if (kind === "compositionupdate") area.setRangeText(text, from, to, "end");
            area.dispatchEvent(new CompositionEvent(kind, { data: text }));
            area.dispatchEvent(new InputEvent("input", { isComposing: kind !== "compositionend" }));
          }, { kind, text, from, to });
        await ann.evaluateText(`document.getElementById("area").setSelectionRange(4, 4)`);
        await compose("compositionstart", "", 4, 4);
        await compose("compositionupdate", "ni", 4, 4);
        await type(bob, "#area", "zero ", 0);
        await type(bob, "#area", " four");
        await type(bob, "#title", "heard");
        // The title comes after what was written in the text, and is not held back.
        await ann.waitFor(`document.getElementById("title").value === "heard"`);
        await compose("compositionupdate", "に ", 4, 6);
        assert.equal(await ann.evaluateText(TEXT), "one に three");
        assert.equal(await bob.evaluateText(TEXT), "zero one three four");
        await compose("compositionend", "に ", 0, 0);
        assert.equal(await agree([ann, bob]), "zero one に three four");
        assert.equal(
          await ann.evaluateText(`document.getElementById("area").selectionEnd`),
          "zero one に ".length,
        );
      })
    );
  if (name === "chromium") testWith(["chromium"], title, body);
  else testWith(["firefox"], title, body);
}

/** So many messages are in bob's outbox on the disk, none of them readable. */
async function untilKept(page: BrowserPage, count: number): Promise<void> {
  for (let i = 0;; i++) {
    const kept = await page.evaluate(() =>
      new Promise<string[]>((resolve, reject) => {
        const opening = indexedDB.open("skein bob");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const asking = opening.result.transaction("messages").objectStore("messages").getAll();
          asking.onerror = () => reject(asking.error);
          asking.onsuccess = () => {
            opening.result.close();
            resolve(asking.result.map((message) => JSON.stringify(message)));
          };
        };
      })
    );
    if (kept.length === count) {
      for (const message of kept) assert.match(message, /"type":"doc_op"/);
      return;
    }
    assert.ok(i < 200, `${kept.length} messages are kept`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

testWith(
  ["chromium"],
  "document page: a link with a wrong, damaged or missing key says so, writes nothing and shows nobody",
  () =>
    Place.with((place) =>
      withChromium(async (ann, browser) => {
        const link = await createDocument(ann, place.service.url, "ann", "");
        await type(ann, "#area", "hidden");
        await ann.waitFor(SAVED);
        const eve = await browser.newPage();
        const other = link.hash.replace(/key=.{6}/, "key=AAAAAA");
        for (
          const [hash, headline] of [
            [other, "The key does not fit"],
            [link.hash.slice(0, -2), "The link is damaged"],
            [link.hash.replace(/&key=.*/, ""), "The key is missing"],
            ["#doc=%20%20&key=x", "The link is damaged"],
            [`#doc=${"n".repeat(300)}`, "This document cannot be opened"],
          ] as const
        ) {
          await eve.goto("about:blank");
          await eve.goto(`${link.origin}/document?name=eve${hash}`);
          await eve.waitFor(`!document.getElementById("trouble").hidden`);
          assert.equal(
            await eve.evaluateText(`document.getElementById("trouble-title").textContent`),
            headline,
          );
          assert.equal(await eve.evaluateText(`document.getElementById("editor").hidden`), true);
          assert.equal(await eve.evaluateText(`location.search`), "");
        }
        await type(ann, "#area", " still");
        await ann.waitFor(SAVED);
        assert.equal(await ann.evaluateText(OTHERS), "ann (you)");
        assert.equal(await ann.evaluateText(`document.getElementById("notice").textContent`), "");

        await place.service.reconfigure({
          engine: { kind: "sqlite", sqlite: { path: `${place.directory}/skein.db` } },
          namespaces: { doc: { publish: "none" } },
        });
        // Who may not write reads on, and is told.
        await type(ann, "#area", " unsaved");
        await ann.waitFor(
          `document.getElementById("notice").textContent.startsWith("You may read") && document.getElementById("area").readOnly`,
        );
        await eve.goto("about:blank");
        await openDocument(eve, link, "eve");
        assert.equal(await eve.evaluateText(TEXT), "hidden still");
        await place.service.reconfigure({
          engine: { kind: "sqlite", sqlite: { path: `${place.directory}/skein.db` } },
        });

        // A name without a key is a document that the service can read, and is shown as one.
        for (const [page, name] of [[ann, "ann"], [eve, "eve"]] as const) {
          await page.goto("about:blank");
          await openDocument(page, new URL("#doc=open-to-all", link), name);
          assert.equal(
            await page.evaluateText(`document.getElementById("sealed").textContent`),
            "not encrypted",
          );
        }
        await type(ann, "#area", "for everybody");
        await eve.waitFor(`${TEXT} === "for everybody"`);
        await eve.waitFor(`${OTHERS} === "eve (you),ann"`);
      })
    ),
);

testWith(
  ["chromium", "firefox"],
  "document page: what one has typed is undone and done again without touching what others wrote",
  () =>
    Place.with((place) =>
      withChromium((ann) =>
        withFirefox(async (bob) => {
          const link = await createDocument(ann, place.service.url, "ann", "");
          await openDocument(bob, link, "bob");
          const turns = [[ann, bob, "one ", "two "], [bob, ann, "three ", "four "]] as const;
          for (const [page, other, mine, theirs] of turns) {
            const press = (key: string, shiftKey = false) =>
              page.evaluate(({ key, shiftKey }) => {
                const event = new KeyboardEvent("keydown", {
                  key,
                  shiftKey,
                  ctrlKey: true,
                  cancelable: true,
                });
                document.querySelector("#area")!.dispatchEvent(event);
              }, { key, shiftKey });
            await type(page, "#area", mine);
            await other.waitFor(`${TEXT}.includes(${JSON.stringify(mine)})`);
            await type(other, "#area", theirs, 0);
            await page.waitFor(`${TEXT}.includes(${JSON.stringify(theirs)})`);
            const both = await page.evaluateText(TEXT) as string;
            await press("z");
            const left = await page.evaluateText(TEXT) as string;
            assert.ok(left.includes(theirs) && left.length < both.length, left);
            await press("Z", true);
            assert.equal(await agree([page, other]), both);
          }
        })
      )
    ),
);
