/**
 * Looks at messages before they are published: refuses what is not wanted, and takes numbers of payment cards out.
 *
 * @module
 */

import { defineFunction } from "./skein.ts";

/** Words that are not wanted, in any case. */
const WORDS = ["casino", "free bitcoin"];
/** 13 to 19 digits with spaces or hyphens between them. */
const CARD = /\b\d(?:[ -]?\d){12,18}\b/g;

export default defineFunction({
  on: { message: { channels: ["chat:*"], when: "before" } },

  handler(event) {
    if (event.kind !== "message" || event.text === undefined) return undefined;
    const lower = event.text.toLowerCase();
    if (WORDS.some((word) => lower.includes(word))) return { refuse: "advertising is not wanted here" };
    const cleaned = event.text.replace(CARD, (digits) => isCard(digits) ? "[card number]" : digits);
    return cleaned === event.text ? undefined : { change: { text: cleaned } };
  },
});

/** The check digit of ISO/IEC 7812: a telephone number rarely passes. */
function isCard(text: string): boolean {
  const digits = [...text.replace(/\D/g, "")].map(Number).reverse();
  const sum = digits.reduce((sum, digit, at) => {
    const weighed = at % 2 === 0 ? digit : digit * 2;
    return sum + (weighed > 9 ? weighed - 9 : weighed);
  }, 0);
  return sum % 10 === 0;
}
