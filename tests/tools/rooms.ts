/**
 * A lint plugin that holds every file of `src/` to the table of rooms in `src/README.md`: which room may
 * import which, and where neither `Deno` nor `node:` may be used because the file also runs in browsers.
 *
 * @module
 */

/** What one room may import of another: all of it, or only the files of one qualifier. */
export interface Grant {
  readonly room: string;
  /** The word in parentheses in the table; undefined is the whole room. */
  readonly only?: keyof typeof QUALIFIERS;
}

/** Which files of a room a qualifier of the table opens. */
export const QUALIFIERS = {
  contract: ["contract.ts"],
  types: ["types.ts"],
  "mod.ts": ["mod.ts"],
  // The door of peer/ for browsers, and the files behind it.
  doors: ["mod.ts", "browser.ts"],
  // The files of quic/ that browsers run too.
  "client side": [
    "types.ts",
    "client_types.ts",
    "errors.ts",
    "client.ts",
    "client_pool.ts",
    "browser.ts",
    "dial.ts",
    "webtransport.ts",
    "webtransport_connection.ts",
    "webrtc_connection.ts",
    "webrtc_streams.ts",
    "connection.ts",
    "datagrams.ts",
    "open_streams.ts",
    "incoming_streams.ts",
    "bidirectional_stream.ts",
    "send_stream.ts",
    "receive_stream.ts",
    "traffic_counters.ts",
    "queue.ts",
    "turn.ts",
  ],
} as const satisfies Record<string, readonly string[]>;

/** The files of `peer/` that browsers run too: its door for them, and what that needs. */
const BROWSER_PEER: readonly string[] = [
  "browser.ts",
  "address.ts",
  "base64url.ts",
  "errors.ts",
  "identity.ts",
  "path_selector.ts",
  "peer_connection.ts",
  "ports.ts",
  "state.ts",
];

/** The table, without what every room may import (`COMMON`) and without `service` (`SERVICE`). */
export const ROOMS: Readonly<Record<string, readonly Grant[]>> = {
  async: [],
  protocol: [],
  streams: [{ room: "protocol" }],
  quic: [],
  net: [],
  websocket: [],
  transport: [{ room: "quic" }, { room: "websocket" }, { room: "streams" }, { room: "protocol" }],
  auth: [{ room: "protocol" }],
  session: [{ room: "transport", only: "contract" }, { room: "protocol" }, { room: "router" }],
  router: [{ room: "protocol" }],
  handlers: [
    { room: "router", only: "types" },
    { room: "protocol" },
    { room: "hub" },
    { room: "engine", only: "contract" },
    { room: "files" },
  ],
  functions: [{ room: "protocol" }],
  files: [{ room: "protocol" }, { room: "engine", only: "contract" }],
  hub: [{ room: "protocol" }, { room: "router", only: "types" }, { room: "engine", only: "contract" }],
  webhooks: [
    { room: "net" },
    { room: "hub" },
    { room: "protocol" },
    { room: "router", only: "types" },
    { room: "engine", only: "contract" },
  ],
  engine: [{ room: "protocol" }],
  peer: [{ room: "protocol" }, { room: "quic" }],
  client: [
    { room: "protocol" },
    { room: "streams" },
    { room: "quic", only: "client side" },
    { room: "peer", only: "doors" },
  ],
  web: [{ room: "client", only: "mod.ts" }],
};

/** The room that every room may import, because it knows nothing of this product. */
export const COMMON = "async";

/** The room that knows all others, and the rooms of which it may only embed built files. */
export const SERVICE = {
  room: "service",
  except: ["client", "web"],
  // `skein peer` is a client program in the same binary: it uses the SDK by its doors, as any other program.
  doors: { folder: "cli/peer", files: ["client/mod.ts", "client/peer.ts"] },
} as const;

/** The one file of `client/` that dials native QUIC: it may use `Deno` and all of `quic/`. */
export const NATIVE_DIAL = "client/native.ts";

const CODE = /\.[cm]?[jt]sx?$/;
const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** What the table's second column says about a room. */
export function cellOf(room: string): string {
  if (room === SERVICE.room) {
    const { except: [first, second], doors: { folder, files } } = SERVICE;
    return `all but ${first} and ${second} (${second}'s built files excepted); in ${folder}: ${
      files.join(", ")
    }`;
  }
  const grants = ROOMS[room];
  if (grants === undefined) throw new RangeError(`no room ${room}`);
  if (grants.length === 0) return "nothing of ours";
  return grants.map((grant) => grant.only ? `${grant.room} (${grant.only})` : grant.room).join(", ");
}

/** Whether a file of `src/`, named from there (`client/dial.ts`), also runs in browsers. */
export function isPortable(file: string): boolean {
  const { room, rest } = split(file);
  if (room === "quic") return (QUALIFIERS["client side"] as readonly string[]).includes(rest);
  if (room === "peer") return BROWSER_PEER.includes(rest);
  return (room === COMMON || room === "protocol" || room === "streams" || room === "client" ||
    room === "web") &&
    file !== NATIVE_DIAL;
}

/**
 * Why `file` may not import `specifier`, or undefined when it may. `file` is named from the repository's
 * root: `src/hub/channel.ts`.
 */
export function judge(file: string, specifier: string): string | undefined {
  const inSource = file.startsWith("src/");
  if (!inSource && file !== "main.ts") return undefined;
  if (/^(https?|file|data|blob|npm|jsr):/.test(specifier) || specifier.startsWith("/")) {
    return `${specifier}: dependencies are named in deno.json, files by relative paths`;
  }
  const from = inSource ? split(file.slice(4)) : { room: "main.ts", rest: "" };
  if (specifier.startsWith("node:")) {
    return inSource && isPortable(file.slice(4))
      ? `${file} also runs in browsers and may not import ${specifier}`
      : undefined;
  }
  if (!specifier.startsWith(".")) return undefined;
  const target = new URL(specifier, `file:///${file}`).pathname.slice(1);
  const isCode = CODE.test(target);
  if (!target.startsWith("src/")) {
    if (from.room === SERVICE.room && !isCode) return undefined;
    return `${file} may not import ${target}, which is outside src/`;
  }
  const to = split(target.slice(4));
  if (from.room === to.room) return undefined;
  if (from.room === "main.ts") {
    return to.room === SERVICE.room ? undefined : `main.ts may import ${SERVICE.room}/ alone, not ${target}`;
  }
  for (const room of [from.room, to.room]) {
    if (room !== SERVICE.room && !Object.hasOwn(ROOMS, room)) return `${room}/ is not in the table of rooms`;
  }
  return mayImport(from, to, isCode)
    ? undefined
    : `${from.room}/ may import ${cellOf(from.room)}; not ${target}`;
}

interface Place {
  readonly room: string;
  readonly rest: string;
}

function mayImport(from: Place, to: Place, isCode: boolean): boolean {
  if (to.room === COMMON) return true;
  if (from.room === SERVICE.room) {
    const { except, doors } = SERVICE;
    if (!isCode || !(except as readonly string[]).includes(to.room)) return true;
    return from.rest.startsWith(`${doors.folder}/`) &&
      (doors.files as readonly string[]).includes(`${to.room}/${to.rest}`);
  }
  if (`${from.room}/${from.rest}` === NATIVE_DIAL && to.room === "quic") return true;
  const grant = ROOMS[from.room]?.find((grant) => grant.room === to.room);
  if (grant === undefined) return false;
  return grant.only === undefined || (QUALIFIERS[grant.only] as readonly string[]).includes(to.rest);
}

function split(file: string): Place {
  const slash = file.indexOf("/");
  return slash < 0 ? { room: file, rest: "" } : { room: file.slice(0, slash), rest: file.slice(slash + 1) };
}

function fromRoot(filename: string): string {
  return filename.startsWith(ROOT) ? filename.slice(ROOT.length) : filename.replace(/^\.\//, "");
}

const HINT = "The table of rooms is in src/README.md and in tests/tools/rooms.ts.";

type Node = { readonly type: string };

function literalOf(node: unknown): string | undefined {
  const literal = node as
    | { type?: string; value?: unknown; quasis?: { cooked: string }[] }
    | null
    | undefined;
  if (literal?.type === "Literal" && typeof literal.value === "string") return literal.value;
  if (literal?.type === "TemplateLiteral" && literal.quasis?.length === 1) return literal.quasis[0]?.cooked;
  return undefined;
}

const imports: Deno.lint.Rule = {
  create(context) {
    const file = fromRoot(context.filename);
    if (!file.startsWith("src/") && file !== "main.ts") return {};
    const check = (node: Deno.lint.Node, specifier: string | undefined) => {
      const message = specifier === undefined ? undefined : judge(file, specifier);
      if (message !== undefined) context.report({ node, message, hint: HINT });
    };
    const checkSource = (node: { source: Deno.lint.StringLiteral | null }) => {
      if (node.source) check(node.source, node.source.value);
    };
    return {
      ImportDeclaration: checkSource,
      ExportAllDeclaration: checkSource,
      ExportNamedDeclaration: checkSource,
      ImportExpression(node) {
        const specifier = literalOf(node.source);
        if (specifier !== undefined) return check(node, specifier);
        if (split(file.slice(4)).room === SERVICE.room) return;
        context.report({
          node,
          message: "a computed import cannot be held to the table of rooms",
          hint: HINT,
        });
      },
      TSImportType(node) {
        check(node, literalOf((node.argument as { literal?: Node }).literal));
      },
      TSImportEqualsDeclaration(node) {
        check(node, literalOf((node.moduleReference as { expression?: Node }).expression));
      },
      // new URL("./worker.ts", import.meta.url) names a module too.
      NewExpression(node) {
        if (node.callee.type !== "Identifier" || node.callee.name !== "URL") return;
        const base = node.arguments[1];
        if (base?.type !== "MemberExpression" || base.object.type !== "MetaProperty") return;
        const specifier = literalOf(node.arguments[0]);
        if (specifier?.startsWith(".")) check(node, specifier);
      },
    };
  },
};

const portable: Deno.lint.Rule = {
  create(context) {
    const file = fromRoot(context.filename);
    if (!file.startsWith("src/") || !isPortable(file.slice(4))) return {};
    const report = (node: Deno.lint.Node) =>
      context.report({ node, message: `${file} also runs in browsers and may not use Deno`, hint: HINT });
    return {
      Identifier(node) {
        if (node.name !== "Deno") return;
        const parent = node.parent;
        const isOwnName = (parent.type === "Property" && parent.key === node && !parent.shorthand) ||
          (parent.type === "MemberExpression" && parent.property === node && !parent.computed);
        if (!isOwnName) report(node);
      },
      MemberExpression(node) {
        const isGlobal = node.object.type === "Identifier" &&
          /^(globalThis|self|window)$/.test(node.object.name);
        const named = node.computed ? literalOf(node.property) : (node.property as { name?: string }).name;
        if (isGlobal && named === "Deno") report(node);
      },
    };
  },
};

const plugin: Deno.lint.Plugin = { name: "rooms", rules: { imports, portable } };
export default plugin;
