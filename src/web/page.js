// @ts-check
/**
 * The page: a conversation, who is there, and what it travels on. All of the connection is the SDK's.
 *
 * @module
 */

import { Commands } from "./commands.js";
import { $, messageOf, part } from "./dom.js";
import { Files } from "./files.js";
import { refuse, setUpJoining } from "./join.js";
import { describe, Messages } from "./messages.js";
import { Reading } from "./reading.js";

const CHANNEL = "chat:general";
/** Messages read when the page has none, or some were lost to it. */
const HISTORY = 50;

/** @type {any} The SDK's `SkeinClient`. */
let client;
let me = "";
/** @type {Set<string>} */
const online = new Set();
const files = new Files();
const messages = new Messages((data) => files.draw(data));
const commands = new Commands(messages);
const reading = new Reading();

const page = {
  name: "skein-page/1",
  returns: false,
  begin,
  end() {
    client = undefined;
    $("room").hidden = true;
  },
};
$("say").addEventListener("submit", say);
$("text").addEventListener("input", () => client?.channel(CHANNEL).typing($("text").value !== ""));
setUpJoining(page);

/** @param {any} made @param {string} name */
function begin(made, name) {
  client = made;
  me = name;
  const channel = client.channel(CHANNEL);
  messages.begin(channel, me);
  // With a token of one's own it says who one is.
  client.on("connected", (/** @type {any} */ { userId }) => messages.begin(channel, me = userId));
  files.begin(client, channel);
  commands.begin(client);
  client.on("message", (/** @type {any} */ { type, payload }) => {
    if (type === "message_append" && payload.channel === CHANNEL && !messages.grow(payload)) {
      void readHistory();
    }
  });
  // A document has a page of its own; this tab's name goes with it.
  $("documents").href = `/document?${new URLSearchParams({ name: me, transport: $("choice").value })}`;
  client.on("connected", readPeople);
  for (const event of ["direct", "broadcast"]) {
    client.on(event, (/** @type {any} */ message) => {
      messages.show({
        ...message,
        from: `${message.from} (${message.type.replace("_", " ")})`,
        offset: undefined,
      });
    });
  }
  channel.on("message", show);
  channel.on("edited", (/** @type {any} */ edit) => messages.edited(edit));
  channel.on("deleted", (/** @type {any} */ deletion) => messages.deleted(deletion));
  channel.on("typing", () => showTyping(channel.typists));
  channel.on("online", (/** @type {any} */ { userId }) => come(userId));
  channel.on("offline", (/** @type {any} */ { userId }) => gone(userId));
  channel.on("discontinuity", readHistory);
  const joined = client;
  channel.subscribe().then(async () => {
    await Promise.all([readHistory(), readPeople()]);
    await reading.begin(joined, channel, me);
  }).catch((/** @type {unknown} */ error) => {
    if (client === joined) refuse(`${CHANNEL} cannot be joined: ${messageOf(error)}.`, page);
  });
  $("room").hidden = false;
  $("text").focus();
}

async function readPeople() {
  try {
    const users = await client.channel(CHANNEL).presence();
    online.clear();
    for (const { userId } of users) online.add(userId);
    showOnline();
  } catch (error) {
    // A connection that ended meanwhile asks again.
    console.info("Who is there could not be read:", error);
  }
}

async function readHistory() {
  try {
    const { messages: records } = await client.channel(CHANNEL).history({ limit: HISTORY, reverse: true });
    for (const record of records) if (record.type === "chat_message") show(record);
  } catch (error) {
    console.info("The history could not be read:", error);
  }
}

/** @param {any} message */
function show(message) {
  messages.show(message);
  reading.saw(message);
}

/** @param {Event} event */
function say(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "" || client === undefined) return;
  $("text").value = "";
  commands.end();
  client.channel(CHANNEL).typing(false);
  const id = newId();
  const item = messages.show({ id, from: me, text, timestamp: Date.now() });
  item.dataset.sent = "waiting";
  client.manager.send("chat_message", { channel: CHANNEL, text }, id).then((/** @type {any} */ receipt) => {
    // A command is no message: its bot answers.
    if (receipt.command !== undefined) return item.remove();
    messages.place(item, receipt.offset);
    item.dataset.sent = "yes";
    describe(item, "received by the service");
  }, (/** @type {Error} */ error) => {
    item.dataset.sent = "no";
    describe(item, `not sent: ${error.message}`);
    // What is wrong with a command is for whoever typed it.
    if (text.startsWith("/")) item.querySelector(".content")?.append(part("p", "error", error.message));
  });
}

/** A new message id. `crypto.randomUUID` is for secure contexts only. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(
    "",
  );
}

/** @param {string} userId */
function come(userId) {
  online.add(userId);
  showOnline();
}

/** @param {string} userId */
function gone(userId) {
  online.delete(userId);
  showOnline();
}

function showOnline() {
  const names = [...online].sort((a, b) => a.localeCompare(b));
  $("people-count").textContent = String(names.length);
  $("people").replaceChildren(...names.map((name) => part("li", name === me ? "me" : "", name)));
}

/** @param {string[]} typists */
function showTyping(typists) {
  const names = typists.filter((name) => name !== me).sort();
  $("typing").textContent = names.length === 0
    ? ""
    : names.length > 3
    ? "several people are typing …"
    : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing …`;
}
