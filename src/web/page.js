// @ts-check
/**
 * The page: a name, a conversation, who is there, and what it travels on. All of the connection is the SDK's.
 *
 * @module
 */

// The SDK as the service serves it; `new URL`, because it is no file of this folder.
// deno-lint-ignore rooms/imports -- loaded by the browser from the service, no file of ours
const sdk = import(new URL("/skein.js", location.href).href);

const CHANNEL = "chat:general";
/** Messages kept on the page. */
const MOST_SHOWN = 1000;
/** Messages read when the page has none, or some were lost to it. */
const HISTORY = 50;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

/** @type {any} The SDK's `SkeinClient`. */
let client;
let me = "";
/** @type {Set<string>} */
const online = new Set();

$("name").value = query.get("name") ?? sessionStorage.getItem("name") ?? "";
const wanted = query.get("transport") ?? sessionStorage.getItem("transport") ?? "auto";
if (["auto", "webtransport", "websocket"].includes(wanted)) $("choice").value = wanted;
$("enter-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  void enter();
});
$("say").addEventListener("submit", say);
$("text").addEventListener("input", () => client?.channel(CHANNEL).typing($("text").value !== ""));
if (query.has("name") && $("name").value !== "") void enter();

async function enter() {
  me = $("name").value.trim();
  $("enter-error").textContent = "";
  try {
    // Asked for at once, so that a wrong name is told here and not after the connection.
    let first = /** @type {string | undefined} */ (await fetchToken(me));
    sessionStorage.setItem("name", me);
    sessionStorage.setItem("transport", $("choice").value);
    const { indexedDbOutbox, SkeinClient } = await sdk;
    client = new SkeinClient({
      url: location.origin,
      getToken: async () => {
        const token = first ?? await fetchToken(me);
        first = undefined;
        return token;
      },
      enableQuic: $("choice").value !== "websocket",
      enableWebSocket: $("choice").value !== "webtransport",
      client: "skein-page/1",
      // What was said and not acknowledged is sent after a reload too.
      outbox: { storage: indexedDbOutbox(`skein ${me}`) },
    });
    listen(client);
    $("enter").hidden = true;
    $("room").hidden = false;
    $("text").focus();
  } catch (error) {
    $("enter-error").textContent = error instanceof Error ? error.message : String(error);
  }
}

/** @param {any} client */
function listen(client) {
  const channel = client.channel(CHANNEL);
  client.store.subscribe(showState);
  client.on("connected", readPeople);
  for (const event of ["direct", "broadcast"]) {
    client.on(event, (/** @type {any} */ { type, id, from, text, data, timestamp }) => {
      showMessage(id, `${from} (${type.replace("_", " ")})`, text ?? data, timestamp, undefined);
    });
  }
  channel.on("message", showRecord);
  channel.on("typing", () => showTyping(channel.typists));
  channel.on("online", (/** @type {any} */ { userId }) => come(userId));
  channel.on("offline", (/** @type {any} */ { userId }) => gone(userId));
  channel.on("discontinuity", readHistory);
  channel.subscribe().then(() => Promise.all([readHistory(), readPeople()]), (/** @type {Error} */ error) => {
    refused(error.message);
  });
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

/** @param {any} state The SDK's `ClientState`. */
function showState({ status, transport, rtt, lastError }) {
  const phase = { connected: "open", connecting: "connecting", reconnecting: "waiting" }[String(status)] ??
    "closed";
  $("status").dataset.phase = phase;
  $("transport").hidden = transport === null;
  $("rtt").hidden = phase !== "open" || rtt === null;
  if (rtt !== null) $("rtt").textContent = `${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`;
  if (transport !== null) {
    $("transport").textContent = transport === "websocket" ? "WebSocket" : "WebTransport";
    $("transport").dataset.transport = transport;
  }
  $("status-text").textContent = {
    connecting: "connecting …",
    open: `${me}, connected`,
    waiting: "the connection is gone: trying again …",
    closed: "not connected",
  }[phase];
  if (phase === "closed" && lastError !== null && client !== undefined) refused(lastError.message);
}

/** The service does not want this client. @param {string} reason */
function refused(reason) {
  const before = client;
  client = undefined;
  void before?.close();
  $("enter").hidden = false;
  $("room").hidden = true;
  $("enter-error").textContent = `The service closed the connection: ${reason}.`;
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
    const { messages } = await client.channel(CHANNEL).history({ limit: HISTORY, reverse: true });
    for (const record of messages) showRecord(record);
  } catch (error) {
    console.info("The history could not be read:", error);
  }
}

/** @param {any} record */
function showRecord({ id, from, text, data, timestamp, offset }) {
  showMessage(id, from, text ?? data, timestamp, offset);
}

/** @param {Event} event */
function say(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "" || client === undefined) return;
  $("text").value = "";
  client.channel(CHANNEL).typing(false);
  const id = newId();
  const item = showMessage(id, me, text, Date.now(), undefined);
  item.dataset.sent = "waiting";
  client.manager.send("chat_message", { channel: CHANNEL, text }, id).then((/** @type {any} */ receipt) => {
    place(item, receipt.offset);
    item.dataset.sent = "yes";
    describe(item, "received by the service");
  }, (/** @type {Error} */ error) => {
    item.dataset.sent = "no";
    describe(item, `not sent: ${error.message}`);
  });
}

/** A new message id. `crypto.randomUUID` is for secure contexts only. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(
    "",
  );
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

/** @param {string} tag @param {string} className @param {string} text */
function part(tag, className, text) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.textContent = text;
  return element;
}
