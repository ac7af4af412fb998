/**
 * Changes of every kind that Yjs has, at random: texts with formats and embeds, arrays, maps and XML with types in them.
 *
 * @module
 */

import * as Y from "yjs";

/** A number from 0 to below. */
export type Random = (below: number) => number;

/** A change of a document. */
export type Change = (doc: Y.Doc, pick: Random) => void;

const FORMATS = [{ bold: true }, { bold: null }, { italic: true }, { color: "#888" }, { color: null }];
const KEYS = ["one", "two", "three"];

/** Somewhere in something that long, and how much of it from there. */
function stretch(length: number, pick: Random): [at: number, count: number] {
  const at = pick(length + 1);
  return [at, Math.min(pick(4), length - at)];
}

/** One UTF-16 unit for each character: Yjs counts in these, and half an emoji is nothing that can be sent. */
function word(pick: Random): string {
  const letters = "abcdefghijklmnopqrstuvwxyzéß漢字\n";
  return Array.from({ length: 1 + pick(4) }, () => letters[pick(letters.length)]).join("");
}

function nested(pick: Random): Y.Array<unknown> | Y.Map<unknown> {
  if (pick(2) === 0) return Y.Array.from([pick(100), pick(100)]) as unknown as Y.Array<unknown>;
  return new Y.Map<unknown>([["deep", Y.Array.from([word(pick)])]]);
}

/** Every kind of change; the names of the types are those that Yjs's comparison looks at. */
export const CHANGES: readonly Change[] = [
  (doc, pick) => doc.getText("text").insert(pick(doc.getText("text").length + 1), word(pick)),
  (doc, pick) => {
    const text = doc.getText("text");
    text.insert(pick(text.length + 1), word(pick), FORMATS[pick(FORMATS.length)]!);
  },
  (doc, pick) => {
    const text = doc.getText("text");
    text.insertEmbed(pick(text.length + 1), { image: word(pick) });
  },
  (doc, pick) => {
    const text = doc.getText("text");
    text.delete(...stretch(text.length, pick));
  },
  (doc, pick) => {
    const text = doc.getText("text");
    text.format(...stretch(text.length, pick), FORMATS[pick(FORMATS.length)]!);
  },
  (doc, pick) => {
    const array = doc.getArray("array");
    array.insert(pick(array.length + 1), Array.from({ length: 1 + pick(3) }, () => pick(1000)));
  },
  (doc, pick) => {
    const array = doc.getArray("array");
    array.insert(pick(array.length + 1), [nested(pick)]);
  },
  (doc, pick) => {
    const array = doc.getArray("array");
    const inner = array.length > 0 ? array.get(pick(array.length)) : undefined;
    if (inner instanceof Y.Array) inner.insert(pick(inner.length + 1), [word(pick)]);
    else array.delete(...stretch(array.length, pick));
  },
  (doc, pick) => doc.getMap("map").set(KEYS[pick(KEYS.length)]!, word(pick)),
  (doc, pick) => doc.getMap("map").set(KEYS[pick(KEYS.length)]!, nested(pick)),
  (doc, pick) => doc.getMap("map").delete(KEYS[pick(KEYS.length)]!),
  (doc, pick) => {
    const xml = doc.get("xml", Y.XmlElement);
    const child = pick(2) === 0 ? new Y.XmlText(word(pick)) : new Y.XmlElement("p");
    xml.insert(pick(xml.length + 1), [child]);
  },
  (doc, pick) => doc.get("xml", Y.XmlElement).setAttribute(KEYS[pick(KEYS.length)]!, word(pick)),
  (doc, pick) => {
    const xml = doc.get("xml", Y.XmlElement);
    xml.delete(...stretch(xml.length, pick));
  },
];
