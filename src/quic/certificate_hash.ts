/**
 * The hash by which a client trusts a certificate that no authority has signed.
 *
 * @module
 */

/**
 * SHA-256 of the first certificate in a PEM text, for `serverCertificateHashes`. Browsers take it only for ECDSA
 * certificates that are valid for 14 days at most. Throws TypeError when there is no certificate in `pem`.
 */
export async function certificateHash(pem: string): Promise<Uint8Array<ArrayBuffer>> {
  const body = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (body === undefined) throw new TypeError("no certificate in the PEM text");
  const der = Uint8Array.from(atob(body.replace(/\s+/g, "")), (char) => char.charCodeAt(0));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", der));
}
