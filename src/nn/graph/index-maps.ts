/** Views of arrays as index maps: for every element of the result, the element of the source (row-major). */
import { sizeOf } from '../tensor/tensor.ts';

/** A shape and, per element of it, the source element; -1 for none. */
export interface ArrayView {
  readonly shape: readonly number[];
  readonly from: Int32Array;
}

/** Elements between neighbours along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** Calls `visit` for every place of an array with its coordinates, which are overwritten. */
export function forEachPlace(
  shape: readonly number[],
  visit: (place: readonly number[], flat: number) => void,
): void {
  const size = sizeOf(shape);
  const place = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < size; flat++) {
    visit(place, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++place[axis] < shape[axis]) break;
      place[axis] = 0;
    }
  }
}

/** Result axis i is source axis perm[i]. */
export function transposed(shape: readonly number[], perm: readonly number[]): ArrayView {
  const strides = stridesOf(shape);
  const target = perm.map((axis) => shape[axis]);
  const from = new Int32Array(sizeOf(target));
  forEachPlace(target, (place, flat) => {
    let at = 0;
    for (let axis = 0; axis < perm.length; axis++) at += place[axis] * strides[perm[axis]];
    from[flat] = at;
  });
  return { shape: target, from };
}

/** Along `axis`, result element i is source element chosen[i]; -1 for none. */
export function chosen(shape: readonly number[], axis: number, indices: ArrayLike<number>): ArrayView {
  const target = shape.map((extent, i) => (i === axis ? indices.length : extent));
  const after = sizeOf(shape.slice(axis + 1));
  const from = new Int32Array(sizeOf(target));
  for (let flat = 0; flat < from.length; flat++) {
    const index = indices[Math.floor(flat / after) % indices.length];
    const block = Math.floor(flat / (after * indices.length));
    from[flat] = index < 0 ? -1 : (block * shape[axis] + index) * after + (flat % after);
  }
  return { shape: target, from };
}

/** Shape `to` from a shape whose axes, aligned at the end, are equal or 1. */
export function expanded(shape: readonly number[], to: readonly number[]): ArrayView {
  const strides = stridesOf(shape);
  const missing = to.length - shape.length;
  const from = new Int32Array(sizeOf(to));
  forEachPlace(to, (place, flat) => {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis++)
      if (shape[axis] !== 1) at += place[axis + missing] * strides[axis];
    from[flat] = at;
  });
  return { shape: to, from };
}

/** The shape that both broadcast to, undefined when they do not fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    shape.push(x === 1 ? y : x);
  }
  return shape;
}
