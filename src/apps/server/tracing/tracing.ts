/**
 * Spans for OpenTelemetry. Who wants them installs `@opentelemetry/api` and an SDK of their choice in the process, as every
 * application with OpenTelemetry does; without it nothing is recorded and nothing is loaded.
 *
 * What a span may say comes from the closed list {@link SpanFacts}: shapes, sizes, times, the name of a model and codes of errors. No
 * tenant, key, address, hash of a query or content has a place. Headers of clients are not heeded: a trace that a client began, with
 * what it wrote there, stays the client's.
 */
import type { Context, Span, Tracer } from '@opentelemetry/api';
import { SubrosaError } from '../../../base/errors.ts';
import type { StepSpan } from '../../../runtime/step-times.ts';

/** Names of spans. */
export type SpanName =
  | 'subrosa.query'
  | 'subrosa.queue'
  | 'subrosa.evaluation'
  | 'subrosa.step'
  | 'subrosa.job'
  | 'subrosa.keys'
  | 'subrosa.reply';

/** All that spans say. */
export interface SpanFacts {
  readonly 'subrosa.model'?: string;
  readonly 'subrosa.samples'?: number;
  readonly 'subrosa.bytes_in'?: number;
  readonly 'subrosa.bytes_out'?: number;
  /** Milliseconds between a gateway and the worker that took the job, by the clocks of both. */
  readonly 'subrosa.wait_ms'?: number;
  /** How often a job was given out. */
  readonly 'subrosa.tries'?: number;
  readonly 'subrosa.keys_ready'?: boolean;
  /** Kinds of steps, joined by `+` where several run as one. */
  readonly 'subrosa.op'?: string;
  readonly 'subrosa.level'?: number;
  readonly 'subrosa.scale_bits'?: number;
  readonly 'subrosa.ciphertexts'?: number;
  readonly 'subrosa.bytes'?: number;
  /** Why there is no answer. */
  readonly 'subrosa.code'?: string;
}

export interface TraceSpan {
  /** What another process needs to go on with the trace, in the form of W3C `traceparent`; undefined when nothing is recorded. */
  readonly parent: string | undefined;
  set(facts: SpanFacts): void;
  child(name: SpanName, facts?: SpanFacts): TraceSpan;
  /** A span that is over: `agoMs` before now it began, and it took `ms`. */
  past(name: SpanName, agoMs: number, ms: number, facts?: SpanFacts): TraceSpan;
  /** Steps of an evaluation that has just ended. */
  steps(steps: readonly StepSpan[] | undefined): void;
  /** With the code of what went wrong, if something did. */
  end(error?: unknown): void;
}

/** The form that {@link TraceSpan.parent} has. */
export const TRACE_PARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export const NO_SPAN: TraceSpan = {
  parent: undefined,
  set: () => undefined,
  child: () => NO_SPAN,
  past: () => NO_SPAN,
  steps: () => undefined,
  end: () => undefined,
};

/** Runs `work` and ends the span with it. @throws what `work` throws */
export async function during<T>(span: TraceSpan, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

type Api = typeof import('@opentelemetry/api');

const PACKAGE = '@opentelemetry/api';
let loaded: Api | null | undefined;

function api(): Api | null {
  if (loaded === undefined) {
    const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);
    try {
      loaded = require(PACKAGE) as Api;
    } catch (error) {
      if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
      loaded = null;
    }
  }
  return loaded;
}

/**
 * Begins a span: below the one of `parent`, in another process, or else below the one that is active here, as when the application
 * around this server traces its requests.
 */
export function startSpan(name: SpanName, facts: SpanFacts, parent?: string): TraceSpan {
  const otel = api();
  if (otel === null) return NO_SPAN;
  const tracer = otel.trace.getTracer('subrosa');
  const kind = parent === undefined ? otel.SpanKind.SERVER : otel.SpanKind.CONSUMER;
  const context = parent === undefined ? otel.context.active() : remoteContext(otel, parent);
  const span = tracer.startSpan(name, { kind, attributes: { ...facts } }, context);
  return span.isRecording() ? new RecordedSpan(otel, tracer, span, context) : NO_SPAN;
}

function remoteContext(otel: Api, parent: string): Context {
  const [, traceId = '', spanId = '', flags = '00'] = parent.split('-');
  if (!TRACE_PARENT.test(parent)) return otel.ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & otel.TraceFlags.SAMPLED;
  return otel.trace.setSpanContext(otel.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

class RecordedSpan implements TraceSpan {
  readonly #otel: Api;
  readonly #tracer: Tracer;
  readonly #span: Span;
  readonly #context: Context;

  constructor(otel: Api, tracer: Tracer, span: Span, around: Context) {
    this.#otel = otel;
    this.#tracer = tracer;
    this.#span = span;
    this.#context = otel.trace.setSpan(around, span);
  }

  get parent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  set(facts: SpanFacts): void {
    this.#span.setAttributes({ ...facts });
  }

  child(name: SpanName, facts: SpanFacts = {}): TraceSpan {
    const span = this.#tracer.startSpan(name, { attributes: { ...facts } }, this.#context);
    return new RecordedSpan(this.#otel, this.#tracer, span, this.#context);
  }

  past(name: SpanName, agoMs: number, ms: number, facts: SpanFacts = {}): TraceSpan {
    const startTime = performance.timeOrigin + performance.now() - agoMs;
    const span = this.#tracer.startSpan(name, { attributes: { ...facts }, startTime }, this.#context);
    span.end(startTime + ms);
    return new RecordedSpan(this.#otel, this.#tracer, span, this.#context);
  }

  steps(steps: readonly StepSpan[] = []): void {
    const last = steps.at(-1);
    if (last === undefined) return;
    const totalMs = last.atMs + last.ms;
    for (const { op, atMs, ms, level, scaleBits, ciphertexts, bytes } of steps) {
      this.past('subrosa.step', totalMs - atMs, ms, {
        ...{ 'subrosa.op': op, 'subrosa.level': level },
        ...(scaleBits !== undefined && { 'subrosa.scale_bits': Math.round(100 * scaleBits) / 100 }),
        ...{ 'subrosa.ciphertexts': ciphertexts, 'subrosa.bytes': bytes },
      });
    }
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      // What an error says may name things; its code does not.
      this.set({ 'subrosa.code': error instanceof SubrosaError ? error.code : 'internal' });
      this.#span.setStatus({ code: this.#otel.SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}
