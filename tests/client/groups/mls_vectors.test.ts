/**
 * The published test vectors of MLS (the working group's mls-implementations, cipher suite 1), run with the modules of
 * `ts-mls` that the groups use: clients that only read, through welcomes, proposals and commits, and the exporter.
 */

import assert from "node:assert/strict";
import { decodeRatchetTree } from "ts-mls/ratchetTree.js";
import { expandWithLabel } from "ts-mls/crypto/kdf.js";
import { makePskIndex } from "ts-mls/clientState.js";
import { processMessage } from "ts-mls/processMessages.js";
import { defaultLifetimeConfig } from "ts-mls/lifetimeConfig.js";
import { defaultKeyRetentionConfig } from "ts-mls/keyRetentionConfig.js";
import { defaultAuthenticationService } from "ts-mls/authenticationService.js";
import {
  type ClientConfig,
  decodeMlsMessage,
  defaultKeyPackageEqualityConfig,
  defaultPaddingConfig,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  joinGroup,
  mlsExporter,
} from "../../../src/client/groups/mls.ts";

interface PassiveClient {
  readonly external_psks: readonly { readonly psk_id: string; readonly psk: string }[];
  readonly key_package: string;
  readonly signature_priv: string;
  readonly encryption_priv: string;
  readonly init_priv: string;
  readonly welcome: string;
  readonly ratchet_tree: string | null;
  readonly initial_epoch_authenticator: string;
  readonly epochs: readonly {
    readonly proposals: readonly string[];
    readonly commit: string;
    readonly epoch_authenticator: string;
  }[];
}

const PASSIVE = [
  "passive-client-welcome",
  "passive-client-handling-commit",
  "passive-client-random",
] as const;

type Vectors = Record<typeof PASSIVE[number], readonly PassiveClient[]> & {
  readonly "crypto-basics": readonly {
    readonly expand_with_label: {
      secret: string;
      label: string;
      context: string;
      length: number;
      out: string;
    };
  }[];
  readonly "key-schedule": readonly {
    readonly epochs: readonly {
      exporter_secret: string;
      exporter: { label: string; context: string; length: number; secret: string };
    }[];
  }[];
};

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const cs = await getCiphersuiteImpl(getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
const config: ClientConfig = {
  keyRetentionConfig: defaultKeyRetentionConfig,
  lifetimeConfig: defaultLifetimeConfig,
  keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
  paddingConfig: defaultPaddingConfig,
  authService: defaultAuthenticationService,
};

async function vectors(): Promise<Vectors> {
  const file = await Deno.readFile(new URL("mls_vectors.json.gz", import.meta.url));
  const text = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(text).json();
}

function message(text: string) {
  const [decoded] = decodeMlsMessage(hex(text), 0)!;
  return decoded;
}

async function follow(client: PassiveClient): Promise<number> {
  const welcome = message(client.welcome), own = message(client.key_package);
  assert.ok(welcome.wireformat === "mls_welcome" && own.wireformat === "mls_key_package");
  const psks = Object.fromEntries(
    client.external_psks.map(({ psk_id, psk }) => [hex(psk_id).toBase64(), hex(psk)]),
  );
  const tree = client.ratchet_tree === null ? undefined : decodeRatchetTree(hex(client.ratchet_tree), 0)![0];
  const keys = {
    initPrivateKey: hex(client.init_priv),
    hpkePrivateKey: hex(client.encryption_priv),
    signaturePrivateKey: hex(client.signature_priv),
  };
  let state = await joinGroup(
    welcome.welcome,
    own.keyPackage,
    keys,
    makePskIndex(undefined, psks),
    cs,
    tree,
    undefined,
    config,
  );
  assert.equal(state.keySchedule.epochAuthenticator.toHex(), client.initial_epoch_authenticator);
  for (const { proposals, commit, epoch_authenticator } of client.epochs) {
    for (const text of [...proposals, commit]) {
      const next = message(text);
      assert.ok(next.wireformat === "mls_private_message" || next.wireformat === "mls_public_message");
      const index = makePskIndex(state, psks);
      ({ newState: state } = await processMessage(next, state, index, () => "accept", cs));
    }
    assert.equal(state.keySchedule.epochAuthenticator.toHex(), epoch_authenticator);
  }
  return 1 + client.epochs.length;
}

for (const name of PASSIVE) {
  Deno.test(`mls: the published vectors ${name} lead through the epochs they say`, async () => {
    let epochs = 0;
    for (const client of (await vectors())[name]) epochs += await follow(client);
    assert.ok(epochs >= 8, `${epochs} epochs`);
  });
}

Deno.test("mls: exporter and labelled derivation give the published values", async () => {
  const { "crypto-basics": basics, "key-schedule": schedules } = await vectors();
  for (const { expand_with_label: { secret, label, context, length, out } } of basics) {
    const derived = await expandWithLabel(hex(secret), label, hex(context), length, cs.kdf);
    assert.equal(derived.toHex(), out);
  }
  let count = 0;
  for (const { exporter_secret, exporter } of schedules.flatMap(({ epochs }) => epochs)) {
    const { label, context, length, secret } = exporter;
    const exported = await mlsExporter(hex(exporter_secret), label, hex(context), length, cs);
    assert.equal(exported.toHex(), secret);
    count++;
  }
  assert.ok(count > 0);
});
