/** What the text field of a document decides, apart from any browser. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as Y from "yjs";
import { changesOf, difference, moved } from "../../src/web/text.js";

interface Change {
  start: number;
  removed: number;
  inserted: string;
}

function apply(text: string, { start, removed, inserted }: Change): string {
  return text.slice(0, start) + inserted + text.slice(start + removed);
}

/** Texts of few characters, in which there are many ways to say a change, and surrogate pairs that share a half. */
const texts = fc.array(fc.constantFrom("a", "b", "\n", "😀", "😁", "🌀"), { maxLength: 12 }).map((parts) =>
  parts.join("")
);

/**
 * Validates: the change that the page makes of two texts leads from one to the other, and never through half a
 * character.
 */
Deno.test("Feature: quic-transport, Property 51: a difference makes one text of the other and cuts no surrogate pair", () => {
  fc.assert(
    fc.property(texts, texts, fc.nat(30), (before, after, caret) => {
      const change = difference(before, after, Math.min(caret, after.length));
      if (before === after) return assert.equal(change, undefined);
      assert.ok(change !== undefined);
      assert.equal(apply(before, change), after);
      const { start, removed, inserted } = change;
      for (const piece of [before.slice(0, start), before.slice(start, start + removed), inserted]) {
        assert.ok(piece.isWellFormed(), JSON.stringify(change));
      }
    }),
    { numRuns: 2000 },
  );
});

/** Validates: the change is where the caret was, although other places in equal characters would do as well. */
Deno.test("Feature: quic-transport, Property 52: what is typed or deleted at the caret is found there, and nothing more", () => {
  fc.assert(
    fc.property(texts, texts, fc.nat(20), fc.nat(20), (before, inserted, at, length) => {
      const points = [...before];
      const head = points.slice(0, at).join(""), gone = points.slice(at, at + length).join("");
      const after = head + inserted + before.slice(head.length + gone.length);
      const caret = head.length + inserted.length;
      const change = difference(before, after, caret);
      if (change === undefined) return assert.equal(before, after);
      assert.ok(change.removed <= gone.length && change.inserted.length <= inserted.length);
      if (gone === "") {
        assert.deepEqual(change, { start: head.length, removed: 0, inserted });
      } else if (inserted === "") {
        assert.deepEqual(change, { start: head.length, removed: gone.length, inserted: "" });
      }
    }),
    { numRuns: 2000 },
  );
});

/** Validates: a caret stays where it was in the text when others change the text around it. */
Deno.test("Feature: quic-transport, Property 53: a place stays beside the same characters, whatever others do", () => {
  fc.assert(
    fc.property(texts, texts, fc.nat(20), fc.nat(20), fc.nat(40), (text, inserted, at, length, wanted) => {
      const start = Math.min(at, text.length), removed = Math.min(length, text.length - start);
      const place = Math.min(wanted, text.length);
      const change = { start, removed, inserted };
      const after = apply(text, change), now = moved(place, change);
      assert.ok(now >= 0 && now <= after.length);
      if (place <= start) assert.equal(after.slice(0, now), text.slice(0, place));
      else if (place >= start + removed) assert.equal(after.slice(now), text.slice(place));
      else assert.equal(now, start);
    }),
    { numRuns: 1000 },
  );
});

/** Validates: the changes that the page reads from Yjs's events are those that Yjs has made. */
Deno.test("Feature: quic-transport, Property 54: a delta of Yjs as changes makes of the text before it the text after it", () => {
  const edits = fc.array(fc.tuple(fc.nat(20), fc.nat(4), texts), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(texts, edits, (initial, edits) => {
      const doc = new Y.Doc(), text = doc.getText("t");
      text.insert(0, initial);
      let shown = initial;
      text.observe(({ delta }) => {
        for (const change of changesOf(delta)) shown = apply(shown, change);
      });
      doc.transact(() => {
        for (const [at, length, inserted] of edits) {
          const start = Math.min(at, text.length);
          text.delete(start, Math.min(length, text.length - start));
          text.insert(start, inserted);
        }
      });
      assert.equal(shown.length, text.length);
      // Yjs puts a sign of its own where an edit has cut a surrogate pair.
      if (text.toString().isWellFormed() && !text.toString().includes("\ufffd")) {
        assert.equal(shown, text.toString());
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("text: a letter among the same letters is where the caret says, and a wrong caret does no harm", () => {
  assert.deepEqual(difference("aaaa", "aaaaa", 2), { start: 1, removed: 0, inserted: "a" });
  assert.deepEqual(difference("aaaa", "aaaaa", 5), { start: 4, removed: 0, inserted: "a" });
  assert.deepEqual(difference("aaaa", "aaa", 1), { start: 1, removed: 1, inserted: "" });
  assert.deepEqual(difference("abcdef", "abXdef", 0), { start: 2, removed: 1, inserted: "X" });
  assert.deepEqual(difference("😀", "😁", 2), { start: 0, removed: 2, inserted: "😁" });
});
