/** The listening side: plain QUIC, or a peer. Says where it is, and answers streams. */

import { certificateHash, listen, selfSignedCertificate } from "../../../src/quic/mod.ts";
import { TextLineStream } from "../lines.ts";
import { openPeer, serve } from "./node.ts";

const [kind, servers = "{}"] = Deno.args;
if (kind === "plain") {
  const { cert, key } = await selfSignedCertificate({ names: ["127.0.0.1"] });
  const listener = listen({ hostname: "127.0.0.1", cert, key, alpn: ["bench"] });
  console.log(JSON.stringify({ port: listener.address.port, hash: (await certificateHash(cert)).toHex() }));
  for await (const connection of listener.connections) void serve(connection).catch(() => {});
} else {
  const signals = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const opened = signals.accept().then((conn) =>
    openPeer(conn, JSON.parse(servers), (connection) => {
      const go = (): void => void (connection.current && serve(connection.current).catch(() => {}));
      connection.on({ connection: go });
      go();
    })
  );
  console.log(JSON.stringify({ port: signals.addr.port }));
  const node = await opened;
  for await (const _ of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    console.log(JSON.stringify({ id: node.id }));
  }
}
