/** Feeds mutants to a parser and holds it to the rules: typed errors only, bounded memory, bounded time, nothing left behind. */
import { DecodeError, SubrosaError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { overrideMethods } from '../kernel/cases/override-methods.ts';
import { mutants } from './mutations.ts';

export interface FuzzTarget {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  /** Bytes that a refusal may allocate beside four times the message; default 1 MiB. */
  readonly allowance?: number;
  /** Parses and frees; a promise is waited for. */
  parse(bytes: Uint8Array): unknown;
}

/** For parsers of JSON that was taken apart before, as a server does. @throws {DecodeError} */
export function parsedJson(what: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new DecodeError(what, 'not JSON');
  }
}

export interface FuzzFigures {
  readonly cases: number;
  readonly refused: number;
  readonly accepted: number;
  /** Refusals that had allocated more than 1 MiB. */
  readonly late: number;
  /** Most memory that one refusal allocated. */
  readonly peakBytes: number;
  readonly slowestMs: number;
}

/** Counts what is allocated through it. */
export class AllocationMeter {
  bytes = 0;
  readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = overrideMethods(kernel, {
      allocate: (words) => {
        this.bytes += 8 * words;
        return kernel.allocate(words);
      },
    });
  }
}

const MEBIBYTE = 2 ** 20;
/** For a message of at most 100 KiB. */
const LIMIT_MS = 1000;

function javascriptBytes(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

/** @throws whatever the parser throws that is not one of the package's errors, and an error for a broken rule. */
export async function fuzzParser(
  target: FuzzTarget,
  cases: number,
  seed: number,
  meter?: AllocationMeter,
): Promise<FuzzFigures> {
  let [refused, late, peakBytes, slowestMs, made] = [0, 0, 0, 0, 0];
  for (const bytes of mutants(target.corpus, seed)) {
    if (made++ === cases) break;
    const live = meter?.kernel.liveWords;
    if (meter !== undefined) meter.bytes = 0;
    const before = javascriptBytes();
    const start = process.cpuUsage();
    try {
      await target.parse(bytes);
    } catch (error) {
      if (!(error instanceof SubrosaError)) {
        throw new Error(`${target.name}, case ${made}: an untyped error`, { cause: error });
      }
      refused++;
      const allocated = (meter?.bytes ?? 0) + Math.max(0, javascriptBytes() - before);
      peakBytes = Math.max(peakBytes, allocated);
      if (allocated > MEBIBYTE) late++;
      // Rule 14 of the parsers.
      if (allocated > 4 * bytes.length + (target.allowance ?? MEBIBYTE)) {
        throw new Error(`${target.name}, case ${made}: ${allocated} bytes allocated for ${bytes.length}`, {
          cause: error,
        });
      }
    }
    let ms = processorMs(start);
    const limit = LIMIT_MS * Math.max(1, bytes.length / 102_400);
    // Of processor time, which on a busy machine is a small part of the wall's; collecting garbage is in it, so what hangs must do so again.
    for (let again = 0; ms > limit && again < 3; again++) ms = Math.min(ms, await timeOf(target, bytes));
    slowestMs = Math.max(slowestMs, ms);
    if (ms > limit) throw new Error(`${target.name}, case ${made}: hangs`);
    if (meter?.kernel.liveWords !== live) throw new Error(`${target.name}, case ${made}: words left behind`);
  }
  return { cases, refused, accepted: cases - refused, late, peakBytes, slowestMs };
}

function processorMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

async function timeOf(target: FuzzTarget, bytes: Uint8Array): Promise<number> {
  const start = process.cpuUsage();
  try {
    await target.parse(bytes);
  } catch (error) {
    if (!(error instanceof SubrosaError)) throw error;
  }
  return processorMs(start);
}

/** Fuzzes target after target, after a look that the first message of each is a valid one. */
export async function* fuzzAll(
  targets: readonly FuzzTarget[],
  cases: number,
  seed: number,
  meter: AllocationMeter,
): AsyncGenerator<{ readonly name: string; readonly figures: FuzzFigures }> {
  for (const target of targets) {
    await target.parse(target.corpus[0]!);
    yield { name: target.name, figures: await fuzzParser(target, cases, seed, meter) };
  }
}
