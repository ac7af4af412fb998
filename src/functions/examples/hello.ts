/**
 * A bot with one command: type `/hello greet` in a chat. Change the file while the service runs: the next call is the new
 * version.
 *
 * @module
 */

import { defineFunction } from "./skein.ts";

export default defineFunction({
  commands: {
    greet: {
      description: "Greets somebody",
      args: { name: { rest: true, optional: true, description: "Who; you, when it is left out" } },
    },
  },

  handler(event) {
    if (event.kind !== "command") return undefined;
    const { name = event.from } = event.args as { name?: string };
    return `Hello, ${name}!`;
  },
});
