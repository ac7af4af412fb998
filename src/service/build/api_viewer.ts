/**
 * Writes what the page of the server API is made of beside its own files: Swagger UI, compressed, and its licenses. As a
 * package it would be in the program twice as plain text, with source maps that are larger than itself.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import style from "swagger-ui-dist/swagger-ui.css" with { type: "text" };
import viewer from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "text" };
import contained from "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt" with { type: "text" };
import license from "swagger-ui-dist/LICENSE" with { type: "text" };
import notice from "swagger-ui-dist/NOTICE" with { type: "text" };

const [directory = "dist/"] = Deno.args;
const files = {
  "swagger-ui.js": viewer,
  "swagger-ui.css": style,
  "swagger-ui.licenses.txt": `${notice}\n${license}\n${contained}`,
};
await Deno.mkdir(directory, { recursive: true });
for (const [name, text] of Object.entries(files)) {
  await Deno.writeFile(`${directory}${name}.gz`, gzipSync(text, { level: 9 }));
}
