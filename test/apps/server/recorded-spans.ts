/** Spans as an SDK of OpenTelemetry gets them, kept in memory. */
import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export class RecordedSpans implements Disposable {
  readonly #exporter = new InMemorySpanExporter();

  constructor() {
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] });
    trace.setGlobalTracerProvider(provider);
  }

  all(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  named(name: string): ReadableSpan[] {
    return this.all().filter((span) => span.name === name);
  }

  below(parent: ReadableSpan): ReadableSpan[] {
    const { spanId, traceId } = parent.spanContext();
    return this.all().filter(
      (span) => span.parentSpanContext?.spanId === spanId && span.spanContext().traceId === traceId,
    );
  }

  clear(): void {
    this.#exporter.reset();
  }

  /** Everything that leaves the process with them. */
  text(): string {
    const facts = this.all().map((span) => ({
      ...{ name: span.name, attributes: span.attributes, events: span.events, links: span.links },
      ...{ status: span.status, resource: span.resource.attributes },
      contexts: [span.spanContext(), span.parentSpanContext],
      states: [span.spanContext(), span.parentSpanContext].map((each) => each?.traceState?.serialize()),
    }));
    return JSON.stringify(facts);
  }

  [Symbol.dispose](): void {
    trace.disable();
  }
}
