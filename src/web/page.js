// @ts-check
/**
 * The page: a name, a conversation, who is there, and what it travels on.
 *
 * @module
 */

import { Connection, newId } from "./connection.js";

/** @typedef {import("./connection.js").Message} Message */

const CHANNEL = "chat:general";
const TYPING_EVERY = 3000;
const TYPING_SHOWN = 5000;
/** Messages kept on the page. */
const MOST_SHOWN = 1000;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

/** @type {Connection | undefined} */
let connection;
let me = "";
/** @type {Map<string, number>} When each one's typing is no longer shown. */
const typing = new Map();
/** @type {Set<string>} */
const online = new Set();
let lastTyped = 0;

$("name").value = query.get("name") ?? sessionStorage.getItem("name") ?? "";
const wanted = query.get("transport") ?? sessionStorage.getItem("transport") ?? "auto";
if (["auto", "webtransport", "websocket"].includes(wanted)) $("choice").value = wanted;
$("enter-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  void enter();
});
$("say").addEventListener("submit", say);
$("text").addEventListener("input", typed);
addEventListener("online", () => connection?.wake());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") connection?.wake();
});
setInterval(showTyping, 1000);
if (query.has("name") && $("name").value !== "") void enter();

async function enter() {
  me = $("name").value.trim();
  $("enter-error").textContent = "";
  try {
    // Asked for at once, so that a wrong name is told here and not after the connection.
    let first = /** @type {string | undefined} */ (await fetchToken(me));
    sessionStorage.setItem("name", me);
    sessionStorage.setItem("transport", $("choice").value);
    connection = new Connection({
      info: fetchInfo,
      token: async () => {
        const token = first ?? await fetchToken(me);
        first = undefined;
        return token;
      },
      transport: $("choice").value,
      onState: showState,
      onMessage: receive,
      onJoined: joined,
      onRtt: (ms) => {
        $("rtt").hidden = false;
        $("rtt").textContent = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
      },
    });
    await connection.join(CHANNEL);
    connection.start();
    $("enter").hidden = true;
    $("room").hidden = false;
    $("text").focus();
  } catch (error) {
    $("enter-error").textContent = error instanceof Error ? error.message : String(error);
  }
}

/** @param {string} user */
async function fetchToken(user) {
  if ($("token").value !== "") return $("token").value.trim();
  const response = await fetch("/dev/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status === 404) {
    $("token-part").hidden = false;
    $("token").required = true;
    throw new Error("A token is needed here.");
  }
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `The service answered ${response.status}.`);
  return body.token;
}

async function fetchInfo() {
  const response = await fetch("/client.json", { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`The service answered ${response.status}.`);
  return await response.json();
}

/** @param {import("./connection.js").State} state */
function showState({ phase, transport, reason, retryAt }) {
  $("status").dataset.phase = phase;
  $("transport").hidden = transport === undefined;
  if (phase !== "open") $("rtt").hidden = true;
  if (transport !== undefined) {
    $("transport").textContent = transport === "webtransport" ? "WebTransport" : "WebSocket";
    $("transport").dataset.transport = transport;
  }
  const seconds = retryAt === undefined ? 0 : Math.max(1, Math.round((retryAt - Date.now()) / 1000));
  $("status-text").textContent = {
    connecting: "connecting …",
    open: `${me}, connected`,
    waiting: `${reason}: trying again in ${seconds} s`,
    closed: `closed: ${reason}`,
  }[phase];
  if (phase === "closed" && reason !== "stopped") {
    $("enter").hidden = false;
    $("room").hidden = true;
    $("enter-error").textContent = `The service closed the connection: ${reason}.`;
  }
}

/** @param {string} channel @param {boolean} complete */
async function joined(channel, complete) {
  if (connection === undefined) return;
  try {
    const { payload } = await connection.request("presence", { channel }, 1);
    online.clear();
    for (const { userId } of payload.users) online.add(userId);
    showOnline();
    if (complete) return;
    const history = await connection.request("history", { channel, limit: 50, reverse: true }, 1);
    for (const record of history.payload.messages) {
      showMessage(record.id, record.from, record.text ?? record.data, record.timestamp, record.offset);
    }
  } catch (error) {
    // A connection that ended meanwhile joins again.
    console.info("The conversation could not be read:", error);
  }
}

/** @param {Message} message */
function receive({ type, id, timestamp, payload }) {
  switch (type) {
    case "chat_message":
      if (payload.channel !== CHANNEL) return;
      typing.delete(payload.from);
      showTyping();
      return showMessage(id, payload.from, payload.text ?? payload.data, timestamp, payload.offset);
    case "broadcast":
    case "direct_message":
      return showMessage(
        id,
        `${payload.from} (${type.replace("_", " ")})`,
        payload.text,
        timestamp,
        undefined,
      );
    case "typing_start":
      if (payload.from !== me) typing.set(payload.from, Date.now() + TYPING_SHOWN);
      return showTyping();
    case "typing_stop":
      typing.delete(payload.from);
      return showTyping();
    case "user_online":
    case "user_offline":
      if (payload.channel !== CHANNEL) return;
      if (type === "user_online") online.add(payload.userId);
      else online.delete(payload.userId);
      return showOnline();
  }
}

/** @param {Event} event */
function say(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "" || connection === undefined) return;
  $("text").value = "";
  lastTyped = 0;
  const id = newId();
  const item = showMessage(id, me, text, Date.now(), undefined);
  item.dataset.sent = "waiting";
  connection.signal("typing_stop", { channel: CHANNEL });
  connection.publish(CHANNEL, text, id).then((ack) => {
    place(item, ack.offset);
    item.dataset.sent = "yes";
    describe(item, "received by the service");
  }, (error) => {
    item.dataset.sent = "no";
    describe(item, `not sent: ${error.message}`);
  });
}

function typed() {
  if ($("text").value === "" || Date.now() - lastTyped < TYPING_EVERY) return;
  lastTyped = Date.now();
  connection?.signal("typing_start", { channel: CHANNEL });
}

/**
 * Shows a message once, whichever way and however often it comes.
 *
 * @param {string} id @param {string} from @param {unknown} said @param {number} time @param {number | undefined} offset
 */
function showMessage(id, from, said, time, offset) {
  const known = $("messages").querySelector(`[data-id="${CSS.escape(`${from} ${id}`)}"]`);
  if (known !== null) {
    if (offset !== undefined) place(known, offset);
    return known;
  }
  const item = document.createElement("li");
  item.dataset.id = `${from} ${id}`;
  if (from === me) item.className = "own";
  const when = new Date(time);
  item.append(
    part("span", "from", from),
    part("time", "quiet", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
    part("p", "said", typeof said === "string" ? said : JSON.stringify(said)),
    part("span", "mark", ""),
  );
  item.querySelector("time")?.setAttribute("datetime", when.toISOString());
  place(item, offset);
  while ($("messages").children.length > MOST_SHOWN) $("messages").firstElementChild.remove();
  return item;
}

/** Puts a message where its offset belongs; without one, at the end. @param {any} item @param {number | undefined} offset */
function place(item, offset) {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  if (offset !== undefined) item.dataset.offset = String(offset);
  const mine = offset ?? Infinity;
  // From the end, because new ones come there. What has no offset yet stays behind what has one.
  let before = list.lastElementChild;
  while (before !== null && (before === item || Number(before.dataset.offset ?? Infinity) > mine)) {
    before = before.previousElementSibling;
  }
  const next = before === null ? list.firstElementChild : before.nextElementSibling;
  if (next !== item) list.insertBefore(item, next);
  if (atEnd || item.classList.contains("own")) list.scrollTop = list.scrollHeight;
}

/** @param {HTMLElement} item @param {string} text */
function describe(item, text) {
  const mark = /** @type {HTMLElement} */ (item.querySelector(".mark"));
  mark.title = text;
  mark.setAttribute("aria-label", text);
  mark.setAttribute("role", "img");
}

function showOnline() {
  const names = [...online].sort((a, b) => a.localeCompare(b));
  $("people-count").textContent = String(names.length);
  $("people").replaceChildren(...names.map((name) => part("li", name === me ? "me" : "", name)));
}

function showTyping() {
  const now = Date.now();
  for (const [name, until] of typing) if (until < now) typing.delete(name);
  const names = [...typing.keys()].sort();
  $("typing").textContent = names.length === 0
    ? ""
    : names.length > 3
    ? "several people are typing …"
    : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing …`;
}

/** @param {string} tag @param {string} className @param {string} text */
function part(tag, className, text) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.textContent = text;
  return element;
}
