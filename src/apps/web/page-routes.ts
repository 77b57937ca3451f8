/**
 * The pages of `subrosa web` beside the routes of inference: files that were read at start, compressed where the browser takes it, under a
 * policy that lets a page load nothing from elsewhere; and what the server sees, as an event stream.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Witness } from './witness.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wav': 'audio/wav',
  '.json': 'application/json',
  '.bin': 'application/octet-stream',
};

/** `edges`: origins that the page may connect to besides its own. */
const policyWith = (edges: readonly string[]) =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    ["connect-src 'self'", ...edges].join(' '),
    "worker-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': policyWith([]),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'microphone=(self), camera=(), geolocation=()',
  // Pages are looked up again each time; an unchanged one costs its tag.
  'cache-control': 'no-cache',
};

/** Below, compression saves less than it says about itself. */
const LEAST_TO_COMPRESS = 256;
const QUALITY = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

/** One file in the forms in which it is sent; compressed when it is first asked for. */
export class ServedFile {
  readonly type: string;
  readonly tag: string;
  readonly plain: Buffer;
  readonly #compressed = new Map<'br' | 'gzip', Buffer>();

  constructor(path: string) {
    this.plain = readFileSync(path);
    this.type = TYPES[extname(path)] ?? 'application/octet-stream';
    this.tag = `"${createHash('sha256').update(this.plain).digest('base64url').slice(0, 22)}"`;
  }

  compressed(encoding: 'br' | 'gzip'): Buffer {
    if (this.plain.length < LEAST_TO_COMPRESS) return this.plain;
    const known = this.#compressed.get(encoding);
    if (known !== undefined) return known;
    const made = encoding === 'br' ? brotliCompressSync(this.plain, QUALITY) : gzipSync(this.plain);
    this.#compressed.set(encoding, made);
    return made;
  }
}

/** Every file under `folder`, by its path with slashes. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesOf(join(folder, entry.name)).map((name) => `${entry.name}/${name}`)
      : [entry.name],
  );
}

/**
 * `files` by the path at which each is served; `index.html` also at its folder. `connects` are the origins that everything under a folder
 * may connect to besides its own.
 */
export function addPages(
  app: FastifyInstance,
  files: ReadonlyMap<string, ServedFile>,
  connects: ReadonlyMap<string, readonly string[]> = new Map(),
): void {
  for (const [path, file] of files) {
    const more = [...connects].flatMap(([folder, origins]) => (path.startsWith(folder) ? origins : []));
    const own = more.length === 0 ? {} : { 'content-security-policy': policyWith(more) };
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      sendFile(file, request, reply.headers({ ...HEADERS, ...own }));
    app.get(path, handler);
    if (path.endsWith('/index.html')) app.get(path.slice(0, -'index.html'.length), handler);
  }
}

function sendFile(file: ServedFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({ etag: file.tag, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === file.tag) return reply.code(304).send();
  const accepted = String(request.headers['accept-encoding'] ?? '');
  const encoding = (['br', 'gzip'] as const).find((name) => new RegExp(`\\b${name}\\b`).test(accepted));
  const body = encoding === undefined ? file.plain : file.compressed(encoding);
  if (encoding !== undefined && body !== file.plain) reply.header('content-encoding', encoding);
  return reply.type(file.type).send(body);
}

/** Streams that are open at once; more would only be pages that nobody looks at. */
const MAX_STREAMS = 32;
export const SIGHTS_PATH = '/web/sights';

export function addSights(app: FastifyInstance, witness: Witness): void {
  const open = new Set<FastifyReply['raw']>();
  app.addHook('preClose', async () => {
    for (const response of open) response.end();
  });
  app.get(SIGHTS_PATH, (_request, reply) => {
    if (open.size >= MAX_STREAMS) return reply.code(503).send();
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    open.add(raw);
    const stop = witness.listen((sight) => raw.write(`data: ${JSON.stringify(sight)}\n\n`));
    raw.once('close', () => {
      stop();
      open.delete(raw);
    });
    return undefined;
  });
}
