/**
 * A store that speaks as much of S3 as blobs need, and checks every signature by its own reading of AWS Signature Version 4: canonical
 * request, string to sign, signing key, as in "Authenticating Requests (AWS Signature Version 4)".
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const hash = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const encoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);

/** The signature that a request must have, hex; null when it does not say how it was signed. */
export function signatureOf({ method, url, headers }: SignedRequest, secret: string): string | null {
  const authorization = String(headers.authorization ?? '');
  const match =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?/.exec(
      authorization,
    );
  if (match === null) return null;
  const [, day = '', region = '', signed = ''] = match;
  const query = [...url.searchParams]
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, x], [b, y]) => (a < b || (a === b && x < y) ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');
  const canonical = [
    method,
    url.pathname
      .split('/')
      .map((part) => encoded(decodeURIComponent(part)))
      .join('/'),
    query,
    ...signed.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}`),
    '',
    signed,
    String(headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD'),
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', String(headers['x-amz-date']), scope, hash(canonical)].join('\n');
  const key = ['s3', 'aws4_request'].reduce(mac as never, mac(mac(`AWS4${secret}`, day), region)) as Buffer;
  return mac(key, text).toString('hex');
}

export interface S3ServerOptions {
  readonly secret: string;
  /** Overwrites in spite of `If-None-Match: *`, as some stores do. */
  readonly isDeaf?: boolean;
  /** Blobs a page of a list. */
  readonly page?: number;
}

export class S3Server implements AsyncDisposable {
  readonly blobs = new Map<string, { readonly bytes: Buffer; readonly at: Date }>();
  refused = 0;
  /** The next requests are answered with this status. */
  failures: number[] = [];
  readonly #options: S3ServerOptions;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });

  private constructor(options: S3ServerOptions) {
    this.#options = options;
  }

  static async start(options: S3ServerOptions): Promise<S3Server> {
    const server = new S3Server(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const end = (status: number, content: string | Buffer = '') => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(content) });
      response.end(request.method === 'HEAD' ? undefined : content);
    };
    const url = new URL(request.url ?? '', this.url);
    const method = request.method ?? '';
    const expected = signatureOf({ method, url, headers: request.headers }, this.#options.secret);
    const isSigned =
      expected !== null && request.headers.authorization?.endsWith(`Signature=${expected}`) === true;
    if (!isSigned || request.headers['x-amz-content-sha256'] !== hash(body)) {
      this.refused++;
      return end(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>');
    }
    const failure = this.failures.shift();
    if (failure !== undefined) return end(failure);
    const name = decodeURIComponent(url.pathname).replace(/^\/bucket\/?/, '');
    if (name === '') return end(200, this.#list(url.searchParams));
    const known = this.blobs.get(name);
    switch (method) {
      case 'PUT':
        if (known !== undefined && request.headers['if-none-match'] === '*' && this.#options.isDeaf !== true)
          return end(412);
        this.blobs.set(name, { bytes: body, at: new Date() });
        return end(200);
      case 'DELETE':
        this.blobs.delete(name);
        return end(204);
      default:
        return known === undefined ? end(404) : end(200, known.bytes);
    }
  }

  #list(query: URLSearchParams): string {
    const { page = 1000 } = this.#options;
    const names = [...this.blobs.keys()].filter((name) => name.startsWith(query.get('prefix') ?? '')).sort();
    const from = Number(query.get('continuation-token') ?? 0);
    const entries = names.slice(from, from + page).map((name) => {
      const { bytes, at } = this.blobs.get(name)!;
      return `<Contents><Key>${name}</Key><LastModified>${at.toISOString()}</LastModified><Size>${bytes.length}</Size></Contents>`;
    });
    const isCut = from + page < names.length;
    const token = isCut ? `<NextContinuationToken>${from + page}</NextContinuationToken>` : '';
    return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isCut}</IsTruncated>${token}${entries.join('')}</ListBucketResult>`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
