/** Appends to a file beyond what this process may write. Prints the size of the file before and after, and the failure. */

import { FileAppender } from "../../src/engine/sqlite/blobs/file_appender.ts";

const [path, within, beyond] = Deno.args;
const appender = await FileAppender.open({ path: path!, size: 1e9 });
await appender.append(new Uint8Array(Number(within)));
const before = (await Deno.stat(path!)).size;
const failure = await appender.append(new Uint8Array(Number(beyond))).then(
  () => "none",
  ({ message }) => message,
);
const again = await appender.append(new Uint8Array(1)).then(() => "none", ({ message }) => message);
await appender.close();
console.log(JSON.stringify({ before, after: (await Deno.stat(path!)).size, failure, again }));
