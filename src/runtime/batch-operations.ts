/** What the machines of both schemes do alike with batches of ciphertexts, one per feature; constants come as residues. */
import type { Step } from '../compiler/program.ts';
import type { Words } from '../kernel/kernel.ts';
import { copyWords } from '../ring/poly.ts';
import type { RlweCiphertexts } from '../schemes/rlwe/ciphertext.ts';
import type { RlweContext } from '../schemes/rlwe/context.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import type { MapTile } from './prepared-map.ts';

/** For the times of a layer. By number: the names of the layers are the model owner's. */
export function layerName(steps: readonly Step[], value: number): string {
  const before = steps.slice(0, value).filter(({ op }) => op === 'linear' || op === 'transform');
  return `layer ${Math.max(1, before.length)}`;
}

/** Handlers that tell `clock` when they are done. */
export function timedBy(clock: (name: string) => void) {
  return <S extends Step>(name: string, work: (step: S) => void) =>
    (step: S): void => {
      work(step);
      clock(name);
    };
}

/** The rows of one tile, with the offsets of all rows: constant polynomials, added to part 0. */
export function mapTileInto(
  to: RlweCiphertexts,
  from: RlweCiphertexts,
  { weights, rowIndex, first, count }: MapTile,
  offsets: readonly (readonly number[])[],
): void {
  const { kernel, ring } = from.context;
  const each = from.parts * from.polyWords;
  const read = rowIndex === undefined ? from.words.sub(0, weights.cols * each) : from.words;
  kernel.gemm(ring.tables, to.words, weights, read, from.parts, from.mods, rowIndex);
  for (let i = 0; i < count; i++) addConstant(to, i, offsets[first + i]!);
}

/** Ciphertext order[i] times its factor plus its offset; each a pass, where only the order changes a copy. */
export function affineInto(
  to: RlweCiphertexts,
  from: RlweCiphertexts,
  lists: {
    readonly order: ArrayLike<number> | undefined;
    readonly factors: readonly (readonly number[])[] | undefined;
    readonly offsets: readonly (readonly number[])[] | undefined;
  },
): void {
  const { kernel, ring } = from.context;
  const { order, factors, offsets } = lists;
  const each = from.parts * from.polyWords;
  for (let i = 0; i < to.count; i++) {
    const source = from.words.sub((order?.[i] ?? i) * each, each);
    const target = to.words.sub(i * each, each);
    if (factors === undefined) copyWords(target, source);
    else kernel.mulScalar(ring.tables, target, source, factors[i]!, to.mods);
    if (offsets !== undefined) addConstant(to, i, offsets[i]!);
  }
}

function addConstant(to: RlweCiphertexts, index: number, residues: readonly number[]): void {
  const { kernel, ring } = to.context;
  const part = to.part(index, 0).words;
  kernel.addScalar(ring.tables, part, part, residues, to.mods);
}

/** Products of two-part ciphertexts at `level`, relinearised and rescaled, in one call of the engine. */
export function multiplyRescaleInto(
  out: Words,
  [a, b]: readonly [Words, Words],
  level: number,
  { context, keys }: { readonly context: RlweContext; readonly keys: EvaluationKeys },
): void {
  const { kernel, ring } = context;
  const key = keys.relinearizationKey(level);
  const shape = context.keySwitchShape(level, key.maxLevel);
  kernel.multiplyRelinearizeRescale(ring.tables, out, a, b, key.words(level), shape);
}
