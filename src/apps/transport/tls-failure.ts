/** What a client demands of TLS, and a sentence for each way in which a certificate or a connection can be wrong. */

/** Servers, edges, authority and all their clients are of one package: nothing older needs to be spoken. */
export const TLS_CLIENT = { minVersion: 'TLSv1.3' } as const;

const UNKNOWN_AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
]);
const SELF_SIGNED = new Set(['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN']);
const OLD_VERSION = /alert protocol version|unsupported protocol|tlsv1 alert/i;
const NO_TLS = /wrong version number|packet length too long|http request/i;

/**
 * The sentence for an error of TLS; null for any other. Another attempt mends none of these. `host` is what the address says: names in the
 * certificate are the other side's text and are not shown.
 */
export function tlsFailure(error: unknown, host: string): string | null {
  const { code, message } = rootOf(error);
  if (SELF_SIGNED.has(code))
    return `the certificate of ${host} is signed by itself or by an authority of one's own: if it is the right one, trust it with --ca FILE (that authority, PEM)`;
  if (UNKNOWN_AUTHORITY.has(code))
    return `the certificate of ${host} is signed by nobody that this machine trusts: name the authority with --ca FILE (PEM), and see that the server sends the certificates in between`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate is for other names than ${host}: use an address that it names, or have it made for ${host}`;
  if (code === 'CERT_HAS_EXPIRED')
    return `the certificate of ${host} has expired: its operator must renew it`;
  if (code === 'CERT_NOT_YET_VALID')
    return `the certificate of ${host} is not valid yet: is the clock of this machine right?`;
  if (OLD_VERSION.test(message) && isTls(code))
    return `${host} offers no TLS 1.3, and nothing older is accepted`;
  if (NO_TLS.test(message) && isTls(code)) return `${host} speaks no TLS at this port: is the port right?`;
  if (code.startsWith('CERT_') || code.includes('_CERT') || isTls(code))
    return `TLS with ${host} failed (${code})`;
  return null;
}

function isTls(code: string): boolean {
  return code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS');
}

/** The innermost cause with a code: libraries wrap it. */
function rootOf(error: unknown): { readonly code: string; readonly message: string } {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code, message } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && !(at.cause instanceof Error)) return { code, message };
  }
  return { code: '', message: '' };
}
