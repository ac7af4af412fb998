/**
 * What files hold, byte by byte.
 *
 * @module
 */

/** Files below a directory that hold `text`. */
export async function filesWith(directory: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) found.push(...await filesWith(path, text));
    else if (new TextDecoder("latin1").decode(await Deno.readFile(path)).includes(text)) found.push(path);
  }
  return found;
}
