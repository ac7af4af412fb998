/**
 * The rows of the server API's table that are about webhooks.
 *
 * @module
 */

import * as v from "valibot";
import type { Schema } from "../schemas/fields.ts";
import { exactly, flag, list, name, object, whole, words } from "./fields.ts";
import type { ApiRow } from "./row.ts";
import type { ApiParams, ApiResult } from "./types.ts";

type Method = "webhooks" | "webhook_dead" | "webhook_resend";

const endpoint = name(32);

/** The rows. */
export const WEBHOOK_ROWS: { readonly [M in Method]: ApiRow<ApiParams<M>, ApiResult<M>> } = {
  webhooks: {
    group: "Webhooks",
    right: "manage",
    text: "The endpoints of webhooks, whether they work, and how much waits for each.",
    params: exactly({}),
    result: exactly({
      endpoints: list(
        exactly({
          name: endpoint,
          events: list(words(32), 64),
          breaker: v.picklist(["closed", "open", "probing"], "closed, open or probing") as Schema<
            "closed" | "open" | "probing"
          >,
          telling: flag(),
          waiting: whole(0),
          dead: whole(0),
        }),
        64,
      ),
    }),
    example: {},
  },
  webhook_dead: {
    group: "Webhooks",
    right: "manage",
    text:
      "Notifications that were given up for an endpoint, the oldest first. `last` is `after` of the next page.",
    params: exactly({
      endpoint,
      after: v.exactOptional(whole(0)),
      limit: v.exactOptional(whole(1, 1000)),
    }),
    result: exactly({
      letters: list(
        exactly({
          offset: whole(1),
          id: name(64),
          type: words(32),
          timestamp: whole(0),
          data: object(),
          at: whole(0),
          attempts: whole(0),
          failure: words(255),
        }),
        1000,
      ),
      last: whole(0),
      more: flag(),
    }),
    example: { endpoint: "shop" },
  },
  webhook_resend: {
    group: "Webhooks",
    right: "manage",
    text:
      "Sends notifications again that were given up for an endpoint: those of `offsets`, else the 1,000 oldest. They keep their ids.",
    params: exactly({ endpoint, offsets: v.exactOptional(list(whole(1), 1000, 1)) }),
    result: exactly({ resent: whole(0) }),
    example: { endpoint: "shop" },
  },
};
