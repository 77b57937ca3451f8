/** Certificates and keys that are named on the command line: each way in which they can be the wrong ones gets its own sentence. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import type { TlsFiles } from '../server/running-server.ts';

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/** For a client: its `--ca`. */
export const CA_FLAG = ['--ca <file>', "certificates to trust instead of the system's, PEM"] as const;

/** As an option of whatever connects; nothing without the flag. @throws {UsageError} when the file holds no certificate. */
export function trustedCertificates({ ca: path }: { readonly ca?: string }): { ca?: Uint8Array } {
  if (path === undefined) return {};
  const bytes = contents('--ca', path);
  firstCertificate('--ca', path, bytes.toString('latin1'));
  return { ca: bytes };
}

/** What a server shows. @throws {UsageError} when one file is missing, is no PEM, is the other one, is encrypted, or both do not belong together. */
export function tlsOptions({ tlsCert, tlsKey }: { readonly tlsCert?: string; readonly tlsKey?: string }): {
  tls?: TlsFiles;
} {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UsageError('--tls-cert and --tls-key go together');
  const [cert, key] = [contents('--tls-cert', tlsCert), contents('--tls-key', tlsKey)];
  const [certText, keyText] = [cert.toString('latin1'), key.toString('latin1')];
  if (!CERTIFICATE.test(certText) && PRIVATE_KEY.test(certText) && CERTIFICATE.test(keyText))
    throw new UsageError(
      `the two files are exchanged: --tls-cert ${tlsCert} holds a key and --tls-key ${tlsKey} a certificate`,
    );
  const certificate = firstCertificate('--tls-cert', tlsCert, certText);
  if (!certificate.checkPrivateKey(privateKey(tlsKey, keyText)))
    throw new UsageError(
      `the key in ${tlsKey} is not that of the first certificate in ${tlsCert}: give the pair that belongs together, the server's own certificate first`,
    );
  return { tls: { cert, key } };
}

function contents(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `cannot read ${flag} ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`,
    );
  }
}

function firstCertificate(flag: string, path: string, text: string): X509Certificate {
  if (!CERTIFICATE.test(text)) {
    const what = PRIVATE_KEY.test(text)
      ? 'holds a private key, no certificate'
      : 'holds no certificate in PEM';
    throw new UsageError(`${flag} ${path} ${what}`);
  }
  try {
    return new X509Certificate(text.slice(text.search(CERTIFICATE)));
  } catch {
    throw new UsageError(`the certificate in ${flag} ${path} is damaged`);
  }
}

function privateKey(path: string, text: string): KeyObject {
  if (ENCRYPTED_KEY.test(text))
    throw new UsageError(
      `the key in ${path} is encrypted, and a server that starts by itself has nobody to ask: write it without a passphrase (openssl pkey -in ${path} -out FILE; chmod 600 FILE)`,
    );
  if (!PRIVATE_KEY.test(text)) {
    const what = CERTIFICATE.test(text)
      ? 'holds a certificate, no private key'
      : 'holds no private key in PEM';
    throw new UsageError(`--tls-key ${path} ${what}`);
  }
  try {
    return createPrivateKey(text);
  } catch {
    throw new UsageError(`the private key in ${path} is damaged or of a kind that OpenSSL does not know`);
  }
}
