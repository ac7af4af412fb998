/**
 * Programs that tests need beside Deno. A test whose program is missing is left out, and its name says so.
 * `deno task test` installs missing programs where it may.
 *
 * @module
 */

/** One thing tests may need. */
export interface NeedRow {
  /** Files one of which shows that it is there. */
  readonly files: readonly string[];
  /** The Debian package that brings it. */
  readonly debian: string;
}

/** Everything tests may need, by the name they declare it with. */
export const NEEDS = {
  chromium: { files: ["/usr/bin/chromium"], debian: "chromium" },
  firefox: { files: ["/usr/bin/firefox-esr"], debian: "firefox-esr" },
  node: { files: ["/usr/bin/node", "/usr/local/bin/node"], debian: "nodejs" },
  "nats-server": { files: ["/usr/sbin/nats-server", "/usr/bin/nats-server"], debian: "nats-server" },
  coturn: { files: ["/usr/bin/turnserver"], debian: "coturn" },
  iproute2: { files: ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"], debian: "iproute2" },
  script: { files: ["/usr/bin/script"], debian: "bsdutils" },
  nginx: { files: ["/usr/sbin/nginx", "/usr/bin/nginx"], debian: "nginx" },
  caddy: { files: ["/usr/bin/caddy"], debian: "caddy" },
  conntrack: { files: ["/usr/sbin/conntrack"], debian: "conntrack" },
  nftables: { files: ["/usr/sbin/nft", "/usr/bin/nft"], debian: "nftables" },
} as const satisfies Record<string, NeedRow>;

/** The name of a need. */
export type Need = keyof typeof NEEDS;

/** The file that meets a need, or undefined when nothing does. */
export function find(need: Need): string | undefined {
  return NEEDS[need].files.find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
}

/** Which of these are not met on this machine. */
export function missing(needs: readonly Need[]): Need[] {
  return needs.filter((need) => find(need) === undefined);
}

/**
 * `Deno.test` for a test that needs a program. Without the program the test is left out, and its name says why. Write
 * the needs as a literal list: the test command reads it from the source to know what to install.
 *
 * @param otherwise What else is missing, for what is no program.
 */
export function testWith(
  needs: readonly Need[],
  name: string,
  fn: (context: Deno.TestContext) => void | Promise<void>,
  otherwise: readonly string[] = [],
): void {
  const absent = [...missing(needs), ...otherwise];
  Deno.test({
    name: absent.length === 0 ? name : `${name} (left out: no ${absent.join(", no ")})`,
    ignore: absent.length > 0,
    fn,
  });
}
