/** Commands to bots on the page: completed while they are typed, answered to whoever gave them. */

import assert from "node:assert/strict";
import { complete } from "../../src/web/commands.js";
import { type BrowserPage, withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { buildBundles, OPEN } from "./support.ts";

await buildBundles();

const POLL = {
  commands: [
    {
      name: "start",
      description: "Begins a poll",
      args: [{ name: "question", type: "string" }, { name: "options", type: "string", list: true }],
    },
    { name: "stop", description: "Ends it" },
  ],
};
const LISTED = ["start", "stop"].map((name) => ({ bot: "poll", name, usage: `/poll ${name}` }));

Deno.test("page commands: what is offered begins as what was typed", () => {
  const names = (text: string) => complete(LISTED, text).offered.map(({ name }) => name).join();
  assert.deepEqual(["/", "/p", "/poll st", "/poll sta", "/STO", "/x"].map(names), [
    "start,stop",
    "start,stop",
    "start,stop",
    "start",
    "stop",
    "",
  ]);
  for (const text of ["", "poll", "//poll", "a /poll"]) {
    assert.deepEqual(complete(LISTED, text).offered, [], text);
  }
  assert.equal(complete(LISTED, "/poll start Lunch").current?.name, "start");
  assert.equal(complete(LISTED, "/stop now").current?.name, "stop");
});

/** Types as a user does, key by key, at the end of what stands there. */
async function type(page: BrowserPage, text: string): Promise<void> {
  await page.evaluate((said) => {
    const field = document.querySelector<HTMLInputElement>("#text")!;
    field.focus();
    for (const character of said) {
      field.value += character;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }, text);
}

async function press(page: BrowserPage, key: string): Promise<void> {
  await page.evaluate((key) => {
    const field = document.querySelector<HTMLInputElement>("#text")!;
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    if (field.dispatchEvent(event) && key === "Enter") field.form!.requestSubmit();
  }, key);
}

const offered = `[...document.querySelectorAll("#commands li code")].map((e) => e.textContent).join()`;
const said = `[...document.querySelectorAll("#messages .said")].map((e) => e.textContent).join("|")`;
const value = `document.getElementById("text").value`;

testWith(
  ["chromium"],
  "page commands: a command is completed, given, and answered to its user alone",
  async () => {
    const service: TestService = await startTestService();
    const bot = await service.connect("websocket", "poll-user", { bot: "poll" });
    await bot.ask("bot_register", POLL);
    try {
      await withChromium(async (ann, browser) => {
        const bob = await browser.newPage();
        for (const [page, name] of [[ann, "ann"], [bob, "bob"]] as const) {
          await page.goto(`${service.url}/?name=${name}`);
          await page.waitFor(OPEN);
        }
        await type(ann, "/po");
        await ann.waitFor(`${offered} === "/poll start <question> <options...>,/poll stop"`);
        await press(ann, "ArrowDown");
        await ann.waitFor(
          `document.querySelector('#commands [aria-selected="true"] code').textContent === "/poll stop"`,
        );
        await press(ann, "ArrowUp");
        await press(ann, "Tab");
        await ann.waitFor(`${value} === "/poll start " && document.getElementById("commands").hidden`);
        assert.equal(
          await ann.evaluateText(`document.getElementById("usage").textContent`),
          "/poll start <question> <options...> - Begins a poll",
        );
        await type(ann, '"Lunch?" tea coffee');
        await press(ann, "Enter");
        const command = await bot.next("bot_command");
        assert.deepEqual(command.payload.args, { question: "Lunch?", options: ["tea", "coffee"] });
        const respond = (payload: Record<string, unknown>) =>
          bot.ask("bot_response", { to: command.payload.session, ...payload }, { re: command.id });
        await respond({ kind: "progress", done: 0.5 });
        await ann.waitFor(`${said} === "50 % …"`);
        await respond({ kind: "piece", at: 0, text: "It has " });
        await respond({ kind: "piece", at: 7, text: "begun.", final: "ended" });
        await ann.waitFor(`${said} === "It has begun."`);
        // The list is asked for with the first character, and the answer comes after the Escape.
        await ann.evaluate(async () => {
          const field = document.querySelector<HTMLInputElement>("#text")!;
          for (field.value = "/"; field.value.length < 4; field.value += "pol"[field.value.length - 1]!) {
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }
          field.dispatchEvent(
            new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }),
          );
          await new Promise((resolve) => setTimeout(resolve, 500));
        });
        assert.equal(await ann.evaluateText(offered), "", "closed, it stays closed");
        await ann.evaluate(() => void (document.querySelector<HTMLInputElement>("#text")!.value = ""));
        await type(ann, "/pol");
        await ann.waitFor(`${offered}.startsWith("/poll start")`);
        await press(ann, "Escape");
        await press(ann, "Enter");
        await ann.waitFor(`document.querySelector('[data-sent="no"] .mark')`);
        assert.match(
          await ann.evaluateText(`document.querySelector('[data-sent="no"] .error').textContent`) as string,
          /did you mean \/poll/,
        );
        await type(ann, "//poll is how one begins");
        await press(ann, "Enter");
        await bob.waitFor(`${said} === "/poll is how one begins"`);
        // Answers stay where they came.
        await ann.waitFor(`${said} === "It has begun.|/poll is how one begins|/pol"`);
        assert.deepEqual([...ann.log, ...bob.log].filter((line) => /uncaught/i.test(line)), []);
      });
    } finally {
      await bot.close();
      await service.stop();
    }
  },
);
