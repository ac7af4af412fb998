// @ts-check
/**
 * The dashboard: reads `/stats` every two seconds. The key stays in this tab.
 *
 * @module
 */

const EVERY = 2000;
const LIMIT = 100;
const COLOURS = /** @type {Record<string, string>} */ ({
  webtransport: "var(--good)",
  quic: "var(--warn)",
  websocket: "var(--accent)",
});

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

$("key-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key").value.trim());
  $("key").value = "";
  void look();
});

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
void look();

async function look() {
  clearTimeout(timer);
  const key = sessionStorage.getItem("key");
  try {
    const response = await fetch(`/stats?limit=${LIMIT}`, {
      headers: key === null ? {} : { "x-api-key": key },
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) return await refused(response, key !== null);
    show(await response.json());
    say("open", "live");
    $("key-form").hidden = true;
    $("figures").hidden = false;
  } catch {
    say("waiting", "no answer, trying again");
  }
  timer = setTimeout(look, EVERY);
}

/** @param {Response} response @param {boolean} given */
async function refused(response, given) {
  const text = await response.json().then((body) => body.error.message, () => `answered ${response.status}`);
  if (response.status >= 500) {
    say("waiting", text);
    timer = setTimeout(look, EVERY);
    return;
  }
  sessionStorage.removeItem("key");
  $("figures").hidden = true;
  $("key-form").hidden = response.status !== 401;
  $("key-error").textContent = response.status === 401 && !given ? "" : text;
  say("closed", response.status === 401 ? "a key is needed" : text);
  $("key").focus();
}

/** @param {string} phase @param {string} text */
function say(phase, text) {
  $("status").dataset.phase = phase;
  $("status-text").textContent = text;
}

/** @param {any} stats */
function show(stats) {
  const { process, sessions, outbox } = stats;
  $("cards").replaceChildren(
    card("connections", stats.connections),
    card(
      "sessions",
      sessions === null ? "–" : sessions.attached,
      sessions && `${sessions.detached} may resume`,
    ),
    card("users", stats.users ?? "–"),
    card("channels", stats.channels ?? "–"),
    card(
      "waiting to leave",
      outbox === null ? "–" : bytes(outbox.bytes),
      outbox && `${outbox.messages} messages`,
    ),
    card("memory", bytes(process.residentBytes), `heap ${bytes(process.heapUsedBytes)}`),
    card(
      "event loop lag",
      ms(process.lagSeconds * 1000),
      `at most ${ms(process.lagMaxSeconds * 1000)}`,
    ),
    card("up", duration(process.uptimeSeconds), `version ${stats.version}`),
  );
  const transports = Object.entries(/** @type {Record<string, any>} */ (stats.transports));
  showShare(transports);
  table("transports", [
    ["transport", ([kind]) => kind],
    ["open", ([, t]) => t.active, true],
    ["share", ([, t]) => `${Math.round(t.ratio * 100)} %`, true],
    ["since start", ([, t]) => t.total, true],
    ["messages in", ([, t]) => t.traffic?.messagesIn ?? "–", true],
    ["out", ([, t]) => t.traffic?.messagesOut ?? "–", true],
    ["bytes in", ([, t]) => t.traffic === null ? "–" : bytes(t.traffic.bytesIn), true],
    ["out", ([, t]) => t.traffic === null ? "–" : bytes(t.traffic.bytesOut), true],
    ["round trip p50", ([, t]) => t.rtt.count === 0 ? "–" : ms(t.rtt.p50Ms), true],
    ["p99", ([, t]) => t.rtt.count === 0 ? "–" : ms(t.rtt.p99Ms), true],
    ["answer p50", ([, t]) => t.handle.count === 0 ? "–" : ms(t.handle.p50Ms), true],
    ["p99", ([, t]) => t.handle.count === 0 ? "–" : ms(t.handle.p99Ms), true],
    ["migrations", ([, t]) => t.migrations, true],
    ["errors", ([, t]) => sum(t.errors), true],
    ["drops", ([, t]) => sum(t.drops), true],
  ], transports);
  const { items, more } = stats.connectionList;
  $("shown").textContent = more ? `the first ${items.length}` : String(items.length);
  table("connections", [
    ["user", (c) => c.userId ?? "–"],
    ["transport", (c) => c.transport],
    ["address", (c) => c.remoteAddress],
    ["connected", (c) => ago(c.connectedAt)],
    ["last heard", (c) => ago(c.lastActivity)],
    ["in", (c) => `${c.messagesIn} · ${bytes(c.bytesIn)}`, true],
    ["out", (c) => `${c.messagesOut} · ${bytes(c.bytesOut)}`, true],
    ["round trip", (c) => c.rtt === null ? "–" : ms(c.rtt), true],
    ["waiting", (c) => c.outboxMessages === 0 ? "–" : `${c.outboxMessages} · ${bytes(c.outboxBytes)}`, true],
    ["channels", (c) => Array.isArray(c.channels) ? c.channels.length : c.channels, true],
    ["session", (c) => c.sessionId ?? "–"],
  ], items);
}

/** @param {[string, any][]} transports */
function showShare(transports) {
  $("share").setAttribute(
    "aria-label",
    transports.map(([kind, t]) => `${kind} ${Math.round(t.ratio * 100)} %`).join(", "),
  );
  $("share").replaceChildren(...transports.map(([kind, t]) => {
    const part = document.createElement("i");
    // Set by script: the policy allows no style attributes in the page's source.
    part.style.width = `${t.ratio * 100}%`;
    part.style.background = COLOURS[kind] ?? "var(--quiet)";
    part.title = kind;
    return part;
  }));
}

/** @param {string} title @param {unknown} value @param {string} [note] */
function card(title, value, note) {
  const element = document.createElement("div");
  element.className = "card";
  element.append(cell("span", title, "quiet"), cell("b", value), cell("span", note ?? "", "quiet"));
  return element;
}

/**
 * @param {string} id
 * @param {[title: string, read: (row: any) => unknown, number?: boolean][]} columns
 * @param {any[]} rows
 */
function table(id, columns, rows) {
  const head = document.createElement("tr");
  head.append(...columns.map(([title, , number]) => {
    const th = cell("th", title, number ? "number" : "");
    th.setAttribute("scope", "col");
    return th;
  }));
  $(`${id}-head`).replaceChildren(head);
  $(id).replaceChildren(...rows.map((row) => {
    const tr = document.createElement("tr");
    tr.append(...columns.map(([, read, number]) => cell("td", read(row), number ? "number" : "")));
    return tr;
  }));
}

/** @param {string} tag @param {unknown} text @param {string} [className] */
function cell(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = String(text);
  if (className !== "") element.className = className;
  return element;
}

/** @param {Record<string, number>} counts */
function sum(counts) {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/** @param {number} n */
function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** @param {number} n */
function ms(n) {
  return `${n >= 100 ? Math.round(n) : n >= 1 ? n.toFixed(1) : n.toFixed(2)} ms`;
}

/** @param {number} at */
function ago(at) {
  return `${duration(Math.max(0, (Date.now() - at) / 1000))} ago`;
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds % 86_400 / 3600)} h`;
}
