/**
 * The moment in which an upload becomes a file.
 *
 * @module
 */

import type { Catalog, KeptFile } from "./catalog.ts";
import type { Disk } from "./disk.ts";
import type { Upload } from "./upload.ts";

/**
 * Adds `file` to the catalog and puts its bytes among the whole files, or does neither and throws. `message` is the id
 * of the user's message that completed it.
 */
export function commitFile(
  catalog: Catalog,
  disk: Disk,
  { key, known }: Pick<Upload, "key" | "known">,
  file: KeptFile,
  message: string,
): void {
  let placed = false;
  try {
    catalog.transaction(() => {
      catalog.addFile(file, message);
      if (known) return;
      catalog.removePartial(key);
      disk.place(key, file.sha256);
      placed = true;
    });
  } catch (error) {
    if (placed && !catalog.has(file.sha256)) disk.displace(key, file.sha256);
    throw error;
  }
}
