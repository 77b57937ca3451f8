/**
 * Counters for Prometheus in its text format 0.0.4. Labels come from closed sets (routes, methods, statuses, codes, models): no
 * tenant, key, address or content has a place.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
type Labels = Readonly<Record<string, string>>;

/** Upper ends, seconds. */
const SECONDS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300] as const;

interface Family {
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: Map<string, number>;
}

export class ServerMetrics {
  readonly #families = new Map<string, Family>();
  readonly #gauges: { readonly name: string; readonly read: () => number }[] = [];

  /** Adds to a counter. */
  count(name: CounterName, labels: Labels = {}, by = 1): void {
    add(this.#family(name, 'counter', COUNTERS[name]), name, labels, by);
  }

  /** Adds an observation in seconds to a histogram. */
  observe(name: HistogramName, labels: Labels, seconds: number): void {
    const family = this.#family(name, 'histogram', HISTOGRAMS[name]);
    for (const end of SECONDS)
      add(family, `${name}_bucket`, { ...labels, le: String(end) }, seconds <= end ? 1 : 0);
    add(family, `${name}_bucket`, { ...labels, le: '+Inf' }, 1);
    add(family, `${name}_sum`, labels, seconds);
    add(family, `${name}_count`, labels, 1);
  }

  /** A value that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    this.#families.set(name, { help, type: 'gauge', samples: new Map() });
    this.#gauges.push({ name, read });
  }

  /** The page that Prometheus scrapes. */
  text(): string {
    for (const { name, read } of this.#gauges) this.#families.get(name)?.samples.set(name, read());
    return [...this.#families]
      .map(([name, { help, type, samples }]) => {
        const lines = [...samples].map(([sample, value]) => `${sample} ${value}\n`);
        return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
      })
      .join('');
  }

  #family(name: string, type: Family['type'], help: string): Family {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family: Family = { help, type, samples: new Map() };
    this.#families.set(name, family);
    return family;
  }
}

const COUNTERS = {
  subrosa_requests_total: 'Requests by route, method and status; 499 is a client that left.',
  subrosa_refusals_total: 'Refusals by the code in their answer.',
  subrosa_received_bytes_total: 'Bytes of bodies that arrived.',
  subrosa_sent_bytes_total: 'Bytes of encrypted replies.',
  subrosa_samples_total: 'Samples evaluated by model: the size of the bucket of each query.',
  subrosa_keys_dropped_total: 'Key sets that made room for others.',
  subrosa_divergent_replies_total:
    'Queries whose second evaluation gave another result: faulty memory, or another build. Look at once.',
  subrosa_worker_faults_total: 'Evaluations of a worker that broke off, by the code of the reason.',
} as const;
type CounterName = keyof typeof COUNTERS;

const HISTOGRAMS = {
  subrosa_request_seconds: 'From the head of a request to the end of its answer, by route.',
  subrosa_queue_seconds: 'Waiting for a turn, by model.',
  subrosa_evaluation_seconds: 'Encrypted evaluation, by model.',
  subrosa_step_seconds: 'Steps of evaluations, by kind; several that run as one have the kinds of all.',
  subrosa_key_load_seconds: 'Fetching keys from the store and preparing them.',
} as const;
type HistogramName = keyof typeof HISTOGRAMS;

/** Counters and histograms that some page of metrics may show; gauges stand where they are made. */
export const METRIC_NAMES: readonly string[] = [...Object.keys(COUNTERS), ...Object.keys(HISTOGRAMS)];

function add({ samples }: Family, name: string, labels: Labels, by: number): void {
  const text = Object.entries(labels)
    .map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, '_')}"`)
    .join(',');
  const sample = text === '' ? name : `${name}{${text}}`;
  samples.set(sample, (samples.get(sample) ?? 0) + by);
}

printOnOneLine(ServerMetrics);
arg.guard('ServerMetrics', ServerMetrics.prototype, {
  count: {
    name: arg.oneOf(
      'subrosa_requests_total',
      'subrosa_refusals_total',
      'subrosa_received_bytes_total',
      'subrosa_sent_bytes_total',
      'subrosa_samples_total',
      'subrosa_keys_dropped_total',
      'subrosa_divergent_replies_total',
      'subrosa_worker_faults_total',
    ),
    labels: arg.optional(arg.options),
    by: arg.optional(arg.number),
  },
  observe: {
    name: arg.oneOf(
      'subrosa_request_seconds',
      'subrosa_queue_seconds',
      'subrosa_evaluation_seconds',
      'subrosa_step_seconds',
      'subrosa_key_load_seconds',
    ),
    labels: arg.options,
    seconds: arg.number,
  },
  gauge: { name: arg.text, help: arg.text, read: arg.callback },
});
