/**
 * Webhooks. The bare side of the first row is the service without any.
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import { decisions, elsewhere, notifications } from "./measure.ts";

/** Scenarios of webhooks, in the order they run. */
export const WEBHOOK_SCENARIOS: readonly Scenario[] = [
  {
    name: "publish beside webhooks about other things, server's core",
    unit: "us",
    better: "lower",
    target: { ratio: 1.03 },
    bare: () => elsewhere(false),
    skein: () => elsewhere(true),
  },
  {
    name: "publish with a decision of a webhook",
    unit: "/s",
    better: "higher",
    skein: decisions,
  },
  {
    name: "webhook notifications, durable",
    unit: "/s",
    better: "higher",
    skein: notifications,
  },
];
