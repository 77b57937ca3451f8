/** Encrypted image classification: whole batches of our network, one image, the networks of the literature, and what encodings cost. */
import { UsageError } from '../../src/base/errors.ts';
import type { Bench, BenchReport } from '../report.ts';
import { activationsPart } from './activations.ts';
import { againstPart } from './against.ts';
import { batchPart } from './batch.ts';
import { encodingsPart } from './encodings.ts';
import { exactPart } from './exact.ts';
import { literaturePart } from './literature.ts';
import { onePart } from './one.ts';

const PARTS: Readonly<Record<string, Bench>> = {
  batch: batchPart,
  one: onePart,
  literature: literaturePart,
  encodings: encodingsPart,
  activations: activationsPart,
  against: againstPart,
  exact: exactPart,
};

export const images: Bench = async (options, note) => {
  const chosen = options.part === undefined ? Object.values(PARTS) : [PARTS[options.part]];
  const reports: BenchReport[] = [];
  for (const part of chosen) {
    if (part === undefined)
      throw new UsageError(`--part is one of ${Object.keys(PARTS).join(', ')}, not "${options.part}"`);
    reports.push(await part(options, note));
  }
  return { ...reports[0]!, rows: reports.flatMap(({ rows }) => rows) };
};
