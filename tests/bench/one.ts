/**
 * One measurement in a client process of its own: `one.ts NAME bare|skein` prints it as JSON.
 *
 * @module
 */

import { SCENARIOS } from "./scenarios.ts";

const [name, side] = Deno.args;
const scenario = SCENARIOS.find((candidate) => candidate.name === name);
const measure = side === "bare" ? scenario?.bare : side === "skein" ? scenario?.skein : undefined;
if (measure === undefined) {
  console.error(`nothing to measure: ${name} ${side}`);
  Deno.exit(2);
}
console.log(JSON.stringify(await measure.call(scenario)));
Deno.exit(0);
