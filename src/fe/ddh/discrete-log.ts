/**
 * Logarithms to the generator in a known interval [-bound, bound]: baby steps in a table that serves +i and -i alike, giant steps
 * from zero outwards [Shanks]. Four times a point does not depend on its 4-torsion, and -P shares its y coordinate with P.
 * All open logarithms of a call advance together, so that one field inversion serves a whole round. Variable time: results are
 * the evaluator's to know.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { normalizeZ } from '@noble/curves/abstract/curve.js';
import { GENERATOR, type GroupElement, IDENTITY } from './group.ts';

const MAX_TABLE = 2 ** 15;
const MIN_TABLE = 2 ** 5;

const affine = (points: GroupElement[]) => normalizeZ(ed25519.Point, points);

export class DiscreteLog {
  readonly bound: number;
  /** i of 4 i G by y coordinate, 0 <= i <= size. */
  readonly #steps = new Map<bigint, number>();
  readonly #x: bigint[] = [];
  readonly #size: number;

  constructor(bound: number) {
    this.bound = bound;
    this.#size = Math.min(MAX_TABLE, Math.max(MIN_TABLE, Math.ceil(2 * Math.sqrt(bound))));
    const base = GENERATOR.double().double();
    const points = [IDENTITY];
    for (let i = 1; i <= this.#size; i++) points.push((points[i - 1] as GroupElement).add(base));
    affine(points).forEach((point, i) => {
      this.#steps.set(point.y, i);
      this.#x.push(point.x);
    });
  }

  /** The logarithm of each element; undefined where there is none within the bound. At most bound / size rounds. */
  solveVarTime(elements: readonly GroupElement[]): (number | undefined)[] {
    const found = new Array<number | undefined>(elements.length).fill(undefined);
    const width = 2 * this.#size + 1;
    const stride = GENERATOR.multiply(BigInt(4 * width));
    let open = elements.map((element, index) => {
      const start = element.double().double();
      return { index, up: start, down: start };
    });
    for (let step = 0; open.length > 0 && step * width - this.#size <= this.bound; step++) {
      // Subtracting the stride finds positive logarithms, adding it negative ones.
      const points = affine(open.flatMap(({ up, down }) => (step === 0 ? [up] : [up, down])));
      open = open.filter(({ index }, at) => {
        const [up, down] = step === 0 ? [points[at], undefined] : [points[2 * at], points[2 * at + 1]];
        const high = this.#match(up);
        const low = this.#match(down);
        if (high !== undefined) found[index] = step * width + high;
        else if (low !== undefined) found[index] = low - step * width;
        return found[index] === undefined;
      });
      open = open.map(({ index, up, down }) => ({ index, up: up.subtract(stride), down: down.add(stride) }));
    }
    return found.map((value) => (value !== undefined && Math.abs(value) <= this.bound ? value : undefined));
  }

  #match(point: GroupElement | undefined): number | undefined {
    if (point === undefined) return undefined;
    const step = this.#steps.get(point.y);
    if (step === undefined) return undefined;
    return this.#x[step] === point.x ? step : -step;
  }
}
