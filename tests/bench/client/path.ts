/**
 * A network in a process of its own: it delays UDP and TCP to the service, and can drop UDP. The
 * argument is `{quicPort, httpPort, rtt}`, times in milliseconds; a line `{blackHole}` drops UDP or lets it pass.
 *
 * @module
 */

import { TcpProxy } from "../../support/tcp_proxy.ts";
import { UdpProxy } from "../../support/udp_proxy.ts";
import { TextLineStream } from "../lines.ts";

const { quicPort, httpPort, rtt } = JSON.parse(Deno.args[0]!) as Record<string, number>;
const delays = { delayToServer: rtt! / 2, delayToClient: rtt! / 2 };
const udp = new UdpProxy({ target: { hostname: "127.0.0.1", port: quicPort! }, ...delays });
const tcp = new TcpProxy({ target: { hostname: "127.0.0.1", port: httpPort! }, ...delays });
console.log(JSON.stringify({ quicPort: udp.port, httpPort: tcp.port }));
for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  udp.blackHole = JSON.parse(line).blackHole;
  console.log("{}");
}
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();
