/**
 * What clients tell about their own experience: into metrics, and into the log when a threshold is passed.
 *
 * @module
 */

import type { ClientConnection } from "./connection.ts";
import type { ClientReport } from "./contract.ts";

/** Takes a report of `client`. */
export function takeReport(client: ClientConnection, report: ClientReport): void {
  const { observer } = client.host;
  const { thresholds } = client.settings;
  if (report.rtt !== undefined) {
    client.rtt = report.rtt;
    observer.rtt(client.transport, report.rtt);
    if (report.rtt > thresholds.rtt) {
      observer.log("warn", "high latency", {
        ...client.logFields(),
        rtt: report.rtt,
        threshold: thresholds.rtt,
      });
    }
  }
  if (report.loss !== undefined && report.loss > thresholds.loss) {
    observer.log("warn", "high loss", {
      ...client.logFields(),
      loss: report.loss,
      threshold: thresholds.loss,
    });
  }
  if (report.migrationFailed === true) observer.log("warn", "migration failed", client.logFields());
  observer.report(client.transport, report);
}
