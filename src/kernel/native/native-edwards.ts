/** Products of public powers and logarithms on edwards25519, as the native kernel does them. */
import type { EdwardsLoops } from '../kernel.ts';
import type { NativeAddon } from './native-addon.ts';

interface EdwardsAddon extends NativeAddon {
  edwardsProducts(
    out: Uint8Array,
    points: Uint8Array,
    heads: number,
    scalars: Uint8Array,
    exponents: Int32Array,
    rows: number,
  ): void;
  edwardsLogTable(table: BigUint64Array, steps: number): void;
  edwardsLogs(
    out: Float64Array,
    table: BigUint64Array,
    steps: number,
    bound: number,
    points: Uint8Array,
  ): void;
}

const POINT_BYTES = 64;

export function nativeEdwards(addon: NativeAddon): { readonly edwards: EdwardsLoops } {
  const loops = addon as EdwardsAddon;
  return {
    edwards: {
      products(heads, smalls, scalars, exponents, rows) {
        const points = new Uint8Array(heads.length + smalls.length);
        points.set(heads);
        points.set(smalls, heads.length);
        const out = new Uint8Array(rows * POINT_BYTES);
        loops.edwardsProducts(out, points, heads.length / POINT_BYTES, scalars, exponents, rows);
        return out;
      },
      logarithms(bound, steps) {
        // Two words a slot, at most half of the slots in use.
        const table = new BigUint64Array(4 * 2 ** Math.ceil(Math.log2(steps)));
        loops.edwardsLogTable(table, steps);
        return (points) => {
          const out = new Float64Array(points.length / POINT_BYTES);
          loops.edwardsLogs(out, table, steps, bound, points);
          return out;
        };
      },
    },
  };
}
