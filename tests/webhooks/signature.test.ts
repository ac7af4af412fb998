/** Signatures, held against the package of the standard's authors. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { readSecret, signatureHeaders } from "../../src/webhooks/signature.ts";
import { Webhook } from "../packages/standard_webhooks.ts";
import { SECRETS } from "./support.ts";

const now = () => Math.floor(Date.now() / 1000);

Deno.test("signature: the example of the specification", () => {
  const { "webhook-signature": signature } = signatureHeaders({
    keys: [readSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")!],
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  });
  assert.equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

Deno.test("signature: while a key is replaced a receiver with either key accepts", () => {
  const body = "{}";
  const headers = signatureHeaders({
    keys: SECRETS.map((s) => readSecret(s)!),
    id: "evt_1",
    timestamp: now(),
    body,
  });
  for (const secret of SECRETS) assert.deepEqual(new Webhook(secret).verify(body, headers), {});
  const other = `whsec_${new Uint8Array(32).fill(9).toBase64()}`;
  assert.throws(() => new Webhook(other).verify(body, headers));
});

Deno.test("signature: what is no secret", () => {
  const secret = (bytes: number) => `whsec_${new Uint8Array(bytes).toBase64()}`;
  for (const text of ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_?", secret(23), secret(65)]) {
    assert.equal(readSecret(text), undefined, text);
  }
  assert.equal(readSecret(secret(24))?.length, 24);
  assert.equal(readSecret(secret(64))?.length, 64);
});

/** Validates: a receiver accepts what was signed, and nothing that was changed. */
Deno.test("Feature: quic-transport, Property 201: webhook signatures (accepted as signed, refused when changed)", () => {
  const key = fc.uint8Array({ minLength: 24, maxLength: 64 });
  fc.assert(
    fc.property(
      key,
      fc.json(),
      fc.uuid(),
      fc.constantFrom("body", "id", "key"),
      (bytes, body, id, change) => {
        const headers = signatureHeaders({ keys: [bytes], id, timestamp: now(), body });
        const secret = `whsec_${bytes.toBase64()}`;
        assert.deepEqual(new Webhook(secret).verify(body, headers), JSON.parse(body));
        const other = bytes.slice();
        other[0]! ^= 1;
        assert.throws(() =>
          new Webhook(change === "key" ? `whsec_${other.toBase64()}` : secret).verify(
            change === "body" ? `${body} ` : body,
            change === "id" ? { ...headers, "webhook-id": `${id}x` } : headers,
          )
        );
      },
    ),
    { numRuns: 200 },
  );
});
