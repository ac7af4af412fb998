/**
 * A lint plugin that keeps the wall clock out of decisions. In rooms that decide by time, `Date.now()` and `new Date()`
 * may only stamp: they stand as the value of a property `timestamp`. For all else there is `Clock` (`src/async/clock.ts`):
 * a wall clock that was set back has refused connections for an hour.
 *
 * @module
 */

/** Rooms that decide by time. */
const ROOMS = ["session", "hub", "router", "handlers", "transport", "streams", "websocket"];

/** Files that ask for the time of day because what they decide outlives the process. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/handlers/files_download.ts": "files end at a time of day",
};

const MESSAGE = "the wall clock may be set back or forward: take the time from a Clock, now() or wall()";

const noWallClock: Deno.lint.Rule = {
  create(context) {
    const path = context.filename;
    const file = path.slice(path.lastIndexOf("src/"));
    const room = /^src\/([a-z]+)\//.exec(file)?.[1];
    if (room === undefined || !ROOMS.includes(room) || file in EXCEPTIONS) return {};
    const isStamp = (node: Deno.lint.Node): boolean => {
      for (let at: Deno.lint.Node | undefined = node; at !== undefined;) {
        const { parent } = at as { parent?: Deno.lint.Node };
        if (parent?.type === "Property") {
          return parent.key.type === "Identifier" && parent.key.name === "timestamp";
        }
        if (parent?.type !== "CallExpression" && parent?.type !== "LogicalExpression") return false;
        at = parent;
      }
      return false;
    };
    const report = (node: Deno.lint.Node) => {
      if (!isStamp(node)) context.report({ node, message: MESSAGE });
    };
    return {
      MemberExpression(node) {
        const { object, property } = node;
        if (object.type !== "Identifier" || object.name !== "Date") return;
        if (property.type === "Identifier" && property.name === "now") report(node);
      },
      NewExpression(node) {
        if (node.callee.type === "Identifier" && node.callee.name === "Date" && node.arguments.length === 0) {
          report(node);
        }
      },
    };
  },
};

const plugin: Deno.lint.Plugin = { name: "clocks", rules: { "no-wall-clock": noWallClock } };
export default plugin;
