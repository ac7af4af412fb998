/**
 * Run with the permissions of the service: prints what its process module tells.
 *
 * @module
 */

import { createLogger } from "../../src/service/log/mod.ts";
import { ProcessModule } from "../../src/service/process/module.ts";
import { Exposition } from "../../src/service/metrics/exposition.ts";

const process = new ProcessModule("node", "1.2.3", createLogger());
const metrics = await new Exposition(process.series).render();
console.log(JSON.stringify({ metrics, status: process.status() }));
