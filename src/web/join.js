// @ts-check
/**
 * How a page gets in: a name or a token, the SDK's client, and the line that says how the connection does.
 *
 * @module
 */

import { $, messageOf } from "./dom.js";

// The SDK as the service serves it; `new URL`, because it is no file of this folder.
// deno-lint-ignore rooms/imports -- loaded by the browser from the service, no file of ours
const sdk = import(new URL("/skein.js", location.href).href);

/** What every page shows of its connection, in `#status`. */
const STATUS = `
  <span class="dot" aria-hidden="true"></span>
  <span id="status-text">not connected</span>
  <span id="transport" class="badge" hidden></span>
  <span id="rtt" class="quiet" hidden></span>`;
/** How one gets in, in `#enter`, which says what for in `data-title` and `data-action`. */
const FORM = `
  <form id="enter-form" class="card" autocomplete="off">
    <h2></h2>
    <label for="name">Your name</label>
    <input id="name" name="name" required maxlength="64" pattern="[!-~]+" autocapitalize="none" spellcheck="false"
      title="Letters, digits and signs, without spaces">
    <div id="token-part" hidden>
      <label for="token">Token</label>
      <input id="token" name="token" spellcheck="false" aria-describedby="token-help">
      <p id="token-help" class="quiet">
        This service makes no tokens by itself. Make one with <code>skein token</code>.
      </p>
    </div>
    <label for="choice">Transport</label>
    <select id="choice" name="choice">
      <option value="auto">WebTransport, else WebSocket</option>
      <option value="webtransport">WebTransport only</option>
      <option value="websocket">WebSocket only</option>
    </select>
    <button type="submit"></button>
    <p id="enter-error" class="error" role="alert"></p>
  </form>`;

const query = new URLSearchParams(location.search);

/** @type {any} The SDK's `SkeinClient`. */
let client;
let me = "";

/**
 * Fills and wires the form in `#enter` and the line `#status`.
 *
 * @param {object} page
 * @param {string} page.name What the service's log calls it.
 * @param {boolean} page.returns Whether somebody who was in before need not ask again.
 * @param {import("../client/mod.ts").OutboxOptions} [page.outbox] Bounds of what waits.
 * @param {(client: any, me: string) => void} page.begin Called with a client that is connecting.
 * @param {() => void} page.end The service does not want it; the form is shown again.
 */
export function setUpJoining(page) {
  $("status").innerHTML = STATUS;
  $("enter").innerHTML = FORM;
  const { title, action } = $("enter").dataset;
  $("enter").querySelector("h2").textContent = title;
  $("enter").querySelector("button").textContent = action;
  const kept = { name: read("name"), transport: read("transport") ?? "auto", token: read("token") ?? "" };
  $("name").value = query.get("name") ?? kept.name ?? "";
  const wanted = query.get("transport") ?? kept.transport;
  if (["auto", "webtransport", "websocket"].includes(wanted)) $("choice").value = wanted;
  if (kept.token !== "") askForToken(kept.token);
  const enter = () => void join(page);
  $("enter-form").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    enter();
  });
  const isKnown = query.has("name") || (page.returns && kept.name !== null);
  if (isKnown && $("name").value !== "") enter();
  else {
    $("enter").hidden = false;
    $("name").focus();
  }
}

/** @param {Parameters<typeof setUpJoining>[0]} page */
async function join(page) {
  me = $("name").value.trim();
  $("enter-error").textContent = "";
  try {
    // Asked for at once, so that a wrong name is told here and not after the connection.
    let first = /** @type {string | undefined} */ (await fetchToken(me));
    sessionStorage.setItem("name", me);
    sessionStorage.setItem("transport", $("choice").value);
    sessionStorage.setItem("token", $("token").value.trim());
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
      client: page.name,
      // What was said and not acknowledged is sent after a reload too, from whichever page is open then.
      outbox: { ...page.outbox, storage: indexedDbOutbox(`skein ${me}`) },
    });
    client.store.subscribe((/** @type {any} */ state) => showState(state, page));
    $("enter").hidden = true;
    page.begin(client, me);
  } catch (error) {
    $("enter").hidden = false;
    $("enter-error").textContent = messageOf(error);
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
    askForToken("");
    throw new Error("A token is needed here.");
  }
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `The service answered ${response.status}.`);
  return body.token;
}

/** @param {string} token */
function askForToken(token) {
  $("token-part").hidden = false;
  $("token").required = true;
  $("token").value = token;
}

/**
 * @param {any} state The SDK's `ClientState`.
 * @param {Parameters<typeof setUpJoining>[0]} page
 */
function showState({ status, transport, rtt, lastError }, page) {
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
  if (phase === "closed" && lastError !== null && client !== undefined) {
    refuse(`The service closed the connection: ${lastError.message}.`, page);
  }
}

/**
 * Ends it and shows the form with the reason.
 *
 * @param {string} reason @param {{ end: () => void }} page
 */
export function refuse(reason, page) {
  const before = client;
  client = undefined;
  void before?.close();
  $("enter").hidden = false;
  $("enter-error").textContent = reason;
  page.end();
}

/** @param {string} name */
function read(name) {
  return sessionStorage.getItem(name);
}
