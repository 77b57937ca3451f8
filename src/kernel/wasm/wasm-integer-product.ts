/** {@link Kernel.updateIntegerProduct} of the WebAssembly kernel, a panel at a time; see assembly/integer.ts. */
import { checkIntegerProduct, PANEL_COLUMNS } from '../tables/integer-panels.ts';
import { integerTerms } from '../tables/integer-terms.ts';
import type { WasmEngine } from './wasm-integer.ts';

const LARGEST_INT16 = 2 ** 15 - 1;

export function updateIntegerProductInWasm(
  { exports, memory }: WasmEngine,
  out: Int32Array,
  panels: Int16Array | Int32Array,
  n: number,
  weights: Int32Array,
  before?: Int32Array,
): void {
  const { count, length } = checkIntegerProduct(out, panels, n, weights, before);
  const { terms, ends, areChanges } = integerTerms(weights, before, length);
  const isNarrow = panels instanceof Int16Array && factorsFit(terms);
  const size = length * PANEL_COLUMNS;
  const panelBytes = (isNarrow ? 2 : 4) * size;
  const multiply = isNarrow ? exports.integerNarrowProduct : exports.integerWideProduct;
  memory.borrowSecret(panelBytes + out.byteLength + terms.byteLength + ends.byteLength, (panel) => {
    const sums = panel + panelBytes;
    const termsAt = sums + out.byteLength;
    const endsAt = termsAt + terms.byteLength;
    memory.write(termsAt, terms);
    memory.write(endsAt, ends);
    if (areChanges) memory.write(sums, out);
    for (let column = 0; column < n; column += PANEL_COLUMNS) {
      const part = panels.subarray(column * length, column * length + size);
      memory.write(panel, isNarrow || part instanceof Int32Array ? part : Int32Array.from(part));
      multiply(sums + 4 * column, 4 * n, count, panel, termsAt, endsAt, areChanges);
    }
    memory.read(out, sums);
  });
}

function factorsFit(terms: Int32Array): boolean {
  let beyond = 0;
  for (let i = 1; i < terms.length; i += 2) beyond |= (terms[i] + LARGEST_INT16 + 1) >>> 16;
  return beyond === 0;
}
