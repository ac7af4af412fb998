/**
 * One measurement in a client process of its own: `one.ts NAME SIDE` prints it as JSON.
 *
 * @module
 */

import { SIDES } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

const [name, wanted] = Deno.args;
const side = SIDES.find((candidate) => candidate === wanted);
const scenario = SCENARIOS.find((candidate) => candidate.name === name);
const measure = side === undefined ? undefined : scenario?.[side];
if (measure === undefined) {
  console.error(`nothing to measure: ${name} ${wanted}`);
  Deno.exit(2);
}
console.log(JSON.stringify(await measure.call(scenario)));
Deno.exit(0);
