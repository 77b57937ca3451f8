/** Reproducible mutations of valid messages: cuts, flips, forged lengths, extremes, splices. */
import { seededGenerator } from '../kernel/bench.ts';

const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffffffn,
  0xffffffffn,
  2n ** 31n,
  2n ** 53n,
  2n ** 60n,
  2n ** 64n - 1n,
];

/** An endless supply of mutants of `corpus`, the same for the same `seed`. About half hit the first 96 bytes, where lengths stand. */
export function* mutants(corpus: readonly Uint8Array[], seed: number): Generator<Uint8Array> {
  const next = seededGenerator(seed);
  const pick = (bound: number): number => next() % Math.max(1, bound);
  const place = (length: number): number => pick(next() % 2 === 0 ? Math.min(96, length) : length);
  const edits: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.slice(0, pick(bytes.length)),
    (bytes) => Uint8Array.from([...bytes.subarray(0, 4096), ...new Uint8Array(1 + pick(64)).fill(next())]),
    (bytes) => {
      if (bytes.length > 0) bytes[place(bytes.length)]! ^= 1 << pick(8);
      return bytes;
    },
    (bytes) => {
      if (bytes.length > 0) bytes[place(bytes.length)] = next();
      return bytes;
    },
    (bytes) => {
      const width = [1, 2, 4, 8][pick(4)]!;
      if (bytes.length < width) return bytes;
      const at = Math.min(place(bytes.length), bytes.length - width);
      let value = EXTREMES[pick(EXTREMES.length)]!;
      for (let i = 0; i < width; i++, value >>= 8n) bytes[at + i] = Number(value & 255n);
      return bytes;
    },
    (bytes) => {
      const donor = corpus[pick(corpus.length)]!;
      const [to, from] = [place(bytes.length), pick(donor.length)];
      bytes.set(donor.subarray(from, from + Math.min(pick(64), bytes.length - to)), to);
      return bytes;
    },
  ];
  for (;;) {
    let bytes: Uint8Array = corpus[pick(corpus.length)]!.slice();
    for (let count = 1 + pick(3); count > 0; count--) bytes = edits[pick(edits.length)]!(bytes);
    yield bytes;
  }
}
