/**
 * What clients tell about their own experience. The observer counts it and writes the diagnostic lines.
 *
 * @module
 */

import type { ClientConnection } from "./connection.ts";
import type { ClientReport } from "./contract.ts";

/** Takes a report of `client`: a `client_report`, or the round trip a `ping` tells. */
export function takeReport(client: ClientConnection, report: ClientReport): void {
  const { observer } = client.host;
  if (report.rtt !== undefined) {
    client.rtt = report.rtt;
    observer.rtt(client.transport, report.rtt, client.connectionId);
  }
  if (report.migrationFailed === true) observer.log("warn", "migration failed", client.logFields());
  observer.report(client.transport, report, client.connectionId);
}
