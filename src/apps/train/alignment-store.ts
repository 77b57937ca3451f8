/** Alignments in the work directory: they take longer to make than everything else but the networks. */
import { existsSync, readFileSync } from 'node:fs';
import { ModelReader, ModelWriter } from '../../nn/index.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';

const MAGIC = 'SRAL';
const VERSION = 1;
const MAX_UTTERANCES = 1_000_000;

/** State per frame of every utterance; null where there is no alignment. */
export type Alignments = readonly (Uint16Array | null)[];

export function writeAlignments(path: string, alignments: Alignments): void {
  const writer = new ModelWriter(MAGIC, VERSION);
  writer.u32(alignments.length);
  for (const states of alignments) {
    writer.u32(states?.length ?? 0);
    writer.words(Uint32Array.from(states ?? []));
  }
  replaceFileSync(path, writer.finish());
}

/** The alignments of an earlier run over the same utterances, or those that `make` makes. */
export function storedAlignments(path: string, utterances: number, make: () => Alignments): Alignments {
  if (!existsSync(path)) writeAlignments(path, make());
  const reader = new ModelReader('alignments', readFileSync(path), MAGIC, VERSION);
  const count = reader.count('the number of utterances', MAX_UTTERANCES);
  if (count !== utterances) throw reader.error(`it has ${count} utterances, the training set ${utterances}`);
  const alignments = Array.from({ length: count }, () => {
    const states = Uint16Array.from(reader.words('states', reader.u32()));
    return states.length === 0 ? null : states;
  });
  reader.finish();
  return alignments;
}
