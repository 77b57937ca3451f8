/** `[classes, samples]`, a one where the sample has the class. */
export function oneHotColumns(labels: Int32Array, classes: number): Int32Array {
  const out = new Int32Array(classes * labels.length);
  labels.forEach((label, s) => {
    out[label * labels.length + s] = 1;
  });
  return out;
}
