/**
 * The server's log: JSON lines with an allow-list of fields. Bodies, tokens, values and scores have no field; tenants
 * and key ids appear only as a hash with a salt that changes daily and lives in memory alone.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { createHash, randomBytes } from 'node:crypto';
import type { DestinationStream, Logger } from 'pino';
import { loadOptionalPackage } from '../../base/optional-package.ts';

export interface LogFields {
  readonly requestId?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly code?: string;
  readonly model?: string;
  readonly tenant?: string;
  readonly key?: string;
  readonly ms?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly pending?: number;
  readonly peakBytes?: number;
  readonly address?: string;
  readonly errorName?: string;
  readonly reason?: string;
}

const ALLOWED: readonly (keyof LogFields)[] = [
  'requestId',
  'method',
  'route',
  'status',
  'code',
  'model',
  'tenant',
  'key',
  'ms',
  'bytesIn',
  'bytesOut',
  'pending',
  'peakBytes',
  'address',
  'errorName',
  'reason',
];

const HASHED: ReadonlySet<keyof LogFields> = new Set<keyof LogFields>(['tenant', 'key']);
const DAY_MS = 86_400_000;

export class ServerLog {
  readonly #pino: Logger;
  #salt = randomBytes(16);
  #saltDay = -1;

  /** Without a destination: standard error. */
  constructor(level: 'info' | 'warn' | 'silent', destination?: DestinationStream) {
    arg.checkArguments('new ServerLog', [level, destination], {
      level: arg.oneOf('info', 'warn', 'silent'),
      destination: arg.optional(arg.like('a DestinationStream', 'write')),
    });
    const { pino } = loadOptionalPackage<typeof import('pino')>('pino', "a server's log");
    const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
    this.#pino = pino(options, destination ?? pino.destination(2));
  }

  info(event: string, fields: LogFields = {}): void {
    this.#pino.info(this.#allowed(fields), event);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.#pino.warn(this.#allowed(fields), event);
  }

  /** Copies the listed fields and nothing else, whatever the object holds at run time. */
  #allowed(fields: LogFields): LogFields {
    const out: Record<string, string | number> = {};
    for (const name of ALLOWED) {
      const value = fields[name];
      if (value === undefined) continue;
      out[name] = HASHED.has(name)
        ? this.#hash(String(value))
        : typeof value === 'string'
          ? value.slice(0, 300)
          : value;
    }
    return out;
  }

  #hash(id: string): string {
    const day = Math.floor(Date.now() / DAY_MS);
    if (day !== this.#saltDay) {
      this.#salt = randomBytes(16);
      this.#saltDay = day;
    }
    return createHash('sha256').update(this.#salt).update(id).digest('hex').slice(0, 12);
  }
}

printOnOneLine(ServerLog);
arg.guard('ServerLog', ServerLog.prototype, {
  info: { event: arg.text, fields: arg.optional(arg.options) },
  warn: { event: arg.text, fields: arg.optional(arg.options) },
});
