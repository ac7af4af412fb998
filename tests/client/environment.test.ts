/** What the SDK reads of a page: here the globals of this runtime, with what browsers have beside them. */

import assert from "node:assert/strict";
import { type EnvironmentEvent, systemEnvironment } from "../../src/client/environment.ts";

/** Runs `body` while `navigator` has these properties. */
function withNavigator(properties: Record<string, unknown>, body: () => void): void {
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(navigator, name, { value, configurable: true });
  }
  try {
    body();
  } finally {
    for (const name of Object.keys(properties)) Reflect.deleteProperty(navigator, name);
  }
}

Deno.test("environment: QUIC is doubtful in WebKit and nowhere else", () => {
  const isDoubtful = (vendor: string) => {
    let doubtful: boolean | undefined;
    withNavigator({ vendor }, () => doubtful = systemEnvironment().quicIsDoubtful);
    return doubtful;
  };
  assert.equal(isDoubtful("Apple Computer, Inc."), true);
  assert.equal(isDoubtful("Google Inc."), false);
  assert.equal(isDoubtful(""), false, "Firefox");
  assert.equal(systemEnvironment().quicIsDoubtful, false, "a runtime without a vendor");
});

Deno.test("environment: events of the page and of the network are told until that is stopped", () => {
  const connection = Object.assign(new EventTarget(), { type: "wifi" });
  withNavigator({ connection, onLine: false }, () => {
    const environment = systemEnvironment();
    assert.equal(environment.online(), false);
    assert.equal(environment.network(), "wifi");
    const seen: EnvironmentEvent[] = [];
    const stop = environment.watch((event) => seen.push(event));
    const all = () => {
      for (const type of ["online", "offline", "pageshow"]) globalThis.dispatchEvent(new Event(type));
      connection.dispatchEvent(new Event("change"));
    };
    all();
    assert.deepEqual(seen, ["online", "offline", "visible", "network"]);
    stop();
    all();
    assert.equal(seen.length, 4);
  });
  assert.deepEqual([systemEnvironment().online(), systemEnvironment().network()], [true, ""]);
});
