/**
 * What the methods of the server API that are about webhooks take and give.
 *
 * @module
 */

/** An endpoint as it stands. */
export interface ApiWebhook {
  name: string;
  events: string[];
  /** `open`: it is left alone because it does not work. `probing`: one request may go. */
  breaker: "closed" | "open" | "probing";
  /** Whether the node that was asked is the one that tells it of events. */
  telling: boolean;
  /** Notifications that wait for it. */
  waiting: number;
  /** Dead letters, up to 100. */
  dead: number;
}

/** A notification that was given up. */
export interface ApiDeadLetter {
  offset: number;
  id: string;
  type: string;
  /** When it happened, in milliseconds since the epoch. */
  timestamp: number;
  data: Record<string, unknown>;
  /** When it was given up, in milliseconds since the epoch. */
  at: number;
  attempts: number;
  /** Why the last attempt failed. */
  failure: string;
}

/** Which dead letters. */
export interface ApiWebhookDead {
  endpoint: string;
  /** `last` of the page before. @default from the oldest on */
  after?: number;
  /** 1 to 1000. @default 100 */
  limit?: number;
}

/** Which dead letters are sent again. */
export interface ApiWebhookResend {
  endpoint: string;
  /** @default the 1,000 oldest */
  offsets?: number[];
}
