/**
 * Certificates: reading and checking, making them for development, watching and renewing them.
 *
 * @module
 */

export {
  type Certificate,
  CertificateError,
  coversHost,
  MAX_HASH_LIFETIME,
  parseCertificate,
  type ParseOptions,
} from "./certificate.ts";
export {
  DEVELOPMENT_LIFETIME,
  type DevelopmentCertificate,
  developmentCertificate,
  type DevelopmentOptions,
  developmentPaths,
  LOCAL_NAMES,
  makeDevelopmentCertificate,
  RENEW_BEFORE,
} from "./development.ts";
export { type CertificateLocation, isInline, loadCertificate } from "./load.ts";
export { type CertificateSettings, CertificateSource, type CertificateSourceOptions } from "./source.ts";
