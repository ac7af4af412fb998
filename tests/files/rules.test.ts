import assert from "node:assert/strict";
import fc from "fast-check";
import { checkQuota } from "../../src/engine/quotas.ts";
import {
  disposition,
  isKnown,
  mediaType,
  parseRange,
  rangeCounts,
  safeName,
  servedType,
} from "../../src/files/mod.ts";
import { isShown } from "../../src/files/names.ts";
import { Meter } from "../../src/files/meter.ts";
import { checkLink, signLink } from "../../src/files/links.ts";
import {
  ALL_WINDOWS,
  blockSize,
  chunkSize,
  refuseChunk,
  refuseUpload,
  windowOf,
} from "../../src/files/rules.ts";
import { Encoded, ProtocolError } from "../../src/protocol/mod.ts";
import { LIMITS } from "./support.ts";

Deno.test("file rules: each limit refuses an upload by a name of its own", () => {
  const limits = { ...LIMITS, maxSize: 100 };
  const refuse = (size: number, uploads = 0, type = "image/png", over = {}) =>
    refuseUpload({ size, type }, { ...limits, ...over }, uploads);
  assert.equal(refuse(100), undefined);
  assert.equal(refuse(101), "file_too_large");
  assert.equal(refuse(1, 3), undefined);
  assert.equal(refuse(1, 4), "too_many_transfers");
  assert.equal(refuse(1, 0, "text/html", { allow: ["image/*", "text/plain"] }), "file_type_refused");
  assert.equal(refuse(1, 0, "image/gif", { allow: ["image/*"] }), undefined);
  assert.equal(
    refuse(1, 0, "image/svg+xml", { allow: ["image/*"], deny: ["image/svg+xml"] }),
    "file_type_refused",
  );
});

Deno.test("file rules: quotas count what is asked for and refuse by a name of their own", () => {
  const quota = { files: 2, bytes: 150, total: 500 };
  const refuse = (size: number, usage = {}) => {
    try {
      return checkQuota(size, { files: 0, bytes: 0, total: 0, ...usage }, quota);
    } catch (error) {
      assert.ok(error instanceof ProtocolError);
      return error.error;
    }
  };
  assert.equal(refuse(150), undefined);
  assert.equal(refuse(0, { files: 1 }), undefined);
  assert.equal(refuse(0, { files: 2 }), "quota_exceeded");
  assert.equal(refuse(51, { bytes: 100 }), "quota_exceeded");
  assert.equal(refuse(50, { bytes: 100 }), undefined);
  assert.equal(refuse(1, { total: 500 }), "not_available");
  assert.equal(refuse(1, { total: 499 }), undefined);
});

Deno.test("file rules: a chunk that is not the next one is refused by a name of its own", () => {
  const refuse = (offset: number, length: number, progress = {}, waiting = 0) =>
    refuseChunk(
      { size: 1000, received: 500, written: 400, ...progress },
      { offset, length },
      { window: 300, maxChunk: 200 },
      waiting,
    );
  assert.equal(refuse(500, 200), undefined);
  assert.equal(refuse(500, 201), "message_too_large");
  assert.equal(refuse(501, 1), "file_gap");
  assert.equal(refuse(499, 1), "file_overlap");
  assert.equal(refuse(0, 100), "file_overlap");
  assert.equal(refuse(950, 51), "file_beyond_end");
  assert.equal(refuse(500, 1, { written: 200 }), "file_window");
  assert.equal(refuse(500, 1, {}, 1024), "file_window");
});

Deno.test("file rules: windows together stay below their bound, but that each has room for a chunk", () => {
  const limits = { window: 4 * 1024 ** 2, maxChunk: 65_536 };
  const uploads: { window: number }[] = [];
  for (let i = 0; i < 1024; i++) uploads.push({ window: windowOf(limits, uploads) });
  assert.equal(uploads[0]!.window, limits.window);
  assert.equal(uploads.at(-1)!.window, limits.maxChunk);
  const all = uploads.reduce((sum, { window }) => sum + window, 0);
  assert.ok(all <= ALL_WINDOWS + 1024 * limits.maxChunk, `${all}`);
});

Deno.test("file rules: a block is a quarter of the window, and no more than the file or a mebibyte", () => {
  assert.equal(blockSize(10_000_000, 400_000), 100_000);
  assert.equal(blockSize(10_000_000, 3), 1);
  assert.equal(blockSize(1000, 400_000), 1000);
  assert.equal(blockSize(0, 400_000), 1);
  assert.equal(blockSize(2 ** 30, 2 ** 30), 2 ** 20);
});

Deno.test("file rules: the largest chunk fits a message in both forms", () => {
  for (const maxMessage of [4096, 65_536, 1024 ** 2]) {
    const data = new Uint8Array(chunkSize(10 * 1024 ** 2, maxMessage));
    const id = "i".repeat(64);
    const message = {
      type: "file_data",
      id,
      timestamp: Number.MAX_SAFE_INTEGER,
      re: id,
      payload: { fileId: id, uploadId: id, offset: Number.MAX_SAFE_INTEGER, data, last: false },
    };
    for (const form of ["json", "msgpack"] as const) {
      assert.ok(new Encoded(message).framed(form).length <= maxMessage, `${form} ${maxMessage}`);
    }
  }
  assert.equal(chunkSize(65_536, 65_536), 48_384);
  assert.equal(chunkSize(1000, 65_536), 1000);
});

Deno.test("file rules: names keep nothing of a path and nothing that cannot be seen", () => {
  const cases: [string, string][] = [
    ["../../etc/passwd", "passwd"],
    ["..\\..\\windows\\system32\\x.dll", "x.dll"],
    ["/", "file"],
    ["..", "file"],
    ["...", "file"],
    ["a/..", "file"],
    ["\0\n\r", "file"],
    ["evil\u202egnp.exe", "evilgnp.exe"],
    ["a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"],
    ['"quoted" <b>?.txt', "_quoted_ _b__.txt"],
    ["Ferienfotos Köln 🌅.jpg", "Ferienfotos Köln 🌅.jpg"],
    [" .hidden. ", "hidden"],
    ["\ud800", "\ufffd"],
  ];
  for (const [given, safe] of cases) assert.equal(safeName(given), safe, JSON.stringify(given));
});

Deno.test("file rules: a safe name is safe, stays as it is when made safe again, and fits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 600 }), (name) => {
      const safe = safeName(name);
      assert.ok(safe.length >= 1 && safe.length <= 255 && safe.isWellFormed());
      assert.doesNotMatch(safe, /[\\/\p{Cc}<>:"|?*]/u);
      assert.ok(safe !== "." && safe !== "..");
      assert.equal(safeName(safe), safe);
    }),
    { numRuns: 500 },
  );
  assert.equal(safeName("n".repeat(300) + ".tar.gz"), "n".repeat(252) + ".gz");
});

Deno.test("file rules: a name survives Content-Disposition, whatever it holds", () => {
  assert.equal(
    disposition('na"me% ü.png', "image/png"),
    `inline; filename="na_me_ _.png"; filename*=UTF-8''na%22me%25%20%C3%BC.png`,
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), (given) => {
      const name = safeName(given);
      const field = disposition(name, "text/html");
      const [, ascii, encoded] = /^attachment; filename="([ -~]*)"; filename\*=UTF-8''(.*)$/.exec(field) ??
        [];
      assert.ok(ascii !== undefined && !/["\\%]/.test(ascii), field);
      assert.match(encoded!, /^([A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})*$/);
      assert.equal(decodeURIComponent(encoded!), name);
      new Headers({ "content-disposition": field });
    }),
    { numRuns: 500 },
  );
});

Deno.test("file rules: what could run in a browser is saved, not shown, and scripts are only bytes", () => {
  for (const type of ["image/png", "video/mp4", "audio/ogg", "text/plain"]) assert.ok(isShown(type), type);
  for (
    const type of [
      "text/html",
      "image/svg+xml",
      "application/xhtml+xml",
      "text/xml",
      "application/pdf",
      "a/b",
    ]
  ) {
    assert.ok(!isShown(type), type);
  }
  for (
    const type of [
      "text/javascript",
      "application/javascript",
      "application/x-javascript",
      "text/javascript1.5",
      "text/css",
      "application/wasm",
      "application/json",
      "application/ld+json",
    ]
  ) assert.equal(servedType(type), "application/octet-stream", type);
  assert.equal(servedType("text/html"), "text/html; charset=utf-8");
  assert.equal(servedType("image/png"), "image/png");
});

Deno.test("file rules: a media type has two halves, in lower case, without parameters", () => {
  assert.equal(mediaType("Text/HTML; charset=utf-8"), "text/html");
  assert.equal(mediaType(""), "application/octet-stream");
  for (const type of ["text", "text/", "/x", "a/b/c", "te xt/x", "text/\u00e4", "text/x\r\nx: y"]) {
    assert.equal(mediaType(type), "application/octet-stream", type);
  }
});

Deno.test("file rules: ranges are those of RFC 9110", () => {
  const cases: [string | null, number, ReturnType<typeof parseRange>][] = [
    [null, 10, undefined],
    ["bytes=0-", 10, { start: 0, length: 10 }],
    ["bytes=3-5", 10, { start: 3, length: 3 }],
    ["bytes=3-3", 10, { start: 3, length: 1 }],
    ["Bytes= 3-99 ", 10, { start: 3, length: 7 }],
    ["bytes=-3", 10, { start: 7, length: 3 }],
    ["bytes=-30", 10, { start: 0, length: 10 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=10-20", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=-5", 0, "unsatisfiable"],
    ["bytes=5-3", 10, undefined],
    ["bytes=-", 10, undefined],
    ["bytes=0-1,3-4", 10, undefined],
    ["items=0-1", 10, undefined],
    ["bytes=a-b", 10, undefined],
    ["bytes=99999999999999999999-", 10, undefined],
  ];
  for (const [field, size, expected] of cases) {
    assert.deepEqual(parseRange(field, size), expected, `${field} of ${size}`);
  }
});

Deno.test("file rules: a range is a part of the file, and the one that was asked for", () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.option(fc.nat(1200)), fc.option(fc.nat(1200)), (size, first, last) => {
      const range = parseRange(`bytes=${first ?? ""}-${last ?? ""}`, size);
      const bytes = Array.from({ length: size }, (_, i) => i);
      if (range === undefined) {
        assert.ok((first === null && last === null) || (first! > last! && last !== null));
      } else if (range === "unsatisfiable") {
        assert.ok(first === null ? last === 0 || size === 0 : first >= size);
      } else {
        const expected = first === null
          ? bytes.slice(-last!)
          : bytes.slice(first, last === null ? size : last + 1);
        assert.deepEqual(bytes.slice(range.start, range.start + range.length), expected);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("file rules: conditions compare tags as they should", () => {
  assert.ok(isKnown('"a", W/"b"', '"b"'));
  assert.ok(isKnown("*", '"b"'));
  assert.ok(!isKnown('"a"', '"b"') && !isKnown(null, '"b"'));
  assert.ok(rangeCounts(null, '"b"') && rangeCounts('"b"', '"b"'));
  assert.ok(!rangeCounts('W/"b"', '"b"') && !rangeCounts("Tue, 01 Jan 2030 00:00:00 GMT", '"b"'));
});

Deno.test("file rules: a link holds for its file and its time, and for no other", () => {
  const key = new Uint8Array(32).fill(7);
  const token = signLink(key, "f1", 1000);
  checkLink(key, "f1", token, 999_999);
  const refused = (error: string) => (thrown: unknown) =>
    thrown instanceof ProtocolError && thrown.error === error;
  assert.throws(() => checkLink(key, "f1", token, 1_000_000), refused("token_expired"));
  assert.throws(() => checkLink(key, "f2", token, 0), refused("invalid_token"));
  assert.throws(() => checkLink(new Uint8Array(32), "f1", token, 0), refused("invalid_token"));
  const longer = token.replace(/^[^.]+/, (2000).toString(36));
  assert.throws(() => checkLink(key, "f1", longer, 0), refused("invalid_token"));
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
      assert.throws(() => checkLink(key, "f1", text, 0), refused("invalid_token"));
    }),
    { numRuns: 200 },
  );
});

Deno.test("file rules: over any time a meter lets through its rate and a burst, and no more", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 10_000_000 }),
      fc.array(fc.tuple(fc.nat(100_000), fc.nat(200)), { minLength: 1, maxLength: 50 }),
      (rate, steps) => {
        const meter = new Meter();
        const start = 1_000_000;
        let now = start, taken = 0;
        for (const [bytes, rest] of steps) {
          now += meter.take(bytes, rate, now) + rest;
          taken += bytes;
          assert.ok(
            taken <= rate * (now - start + 500) / 1000 + 1e-3 * taken + 1,
            `${taken} in ${now - start} ms`,
          );
        }
        assert.equal(meter.take(1_000_000, 0, now), 0);
      },
    ),
    { numRuns: 200 },
  );
});
