/** Files of every kind as inputs of a model: known numbers, and what is refused. */
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { readCsvNumbers } from '../../../src/apps/inputs/csv-numbers.ts';
import { readInputFile } from '../../../src/apps/inputs/input-file.ts';
import { readNpy, readNpz } from '../../../src/apps/inputs/npy.ts';
import { compile } from '../../../src/compiler/compile.ts';
import { readProgram, writeProgram } from '../../../src/compiler/program-file.ts';
import { PolynomialNetwork } from '../../../src/nn/polynomial/polynomial-network.ts';
import { tensorInput } from '../../../src/nn/graph/graph-builder.ts';
import type { ImageInput, InputDescription } from '../../../src/nn/graph/model-graph.ts';
import { npyBytes, npzBytes } from './array-files.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const table: InputDescription = { ...tensorInput('x', [3]), kind: 'table' };
const grey = (image: Partial<ImageInput> = {}, shape = [1, 2, 2]): InputDescription => ({
  ...tensorInput('x', shape),
  kind: 'image',
  image: { channels: 1, size: [shape[1]!, shape[2]!], fit: 'stretch', invert: false, white: 1, ...image },
});

describe('NPY', () => {
  // As numpy.save writes np.arange(6, dtype=np.float32).reshape(2, 3).
  const header = `\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }${' '.repeat(58)}\n`;
  const float32 = Buffer.concat([
    Buffer.from(header, 'latin1'),
    Buffer.from('000000000000803f0000004000004040000080400000a040', 'hex'),
  ]);

  test('a file of numpy', () => {
    expect(readNpy(new Uint8Array(float32))).toEqual({
      shape: [2, 3],
      data: Float32Array.of(0, 1, 2, 3, 4, 5),
    });
  });

  test.each([
    ['<f8', [0.5, -2]],
    ['<i8', [-3, 2 ** 40]],
    ['<i4', [-3, 7]],
    ['<u2', [65_535, 1]],
    ['|i1', [-128, 127]],
  ] as const)('numbers of type %s', (type, values) => {
    expect(Array.from(readNpy(npyBytes(type, [2], values)).data)).toEqual([...values]);
  });

  test('bytes stay bytes; a single number has no axes', () => {
    expect(readNpy(npyBytes('|u1', [2], [3, 255])).data).toEqual(Uint8Array.of(3, 255));
    expect(readNpy(npyBytes('<f4', [], [5]))).toEqual({ shape: [], data: Float32Array.of(5) });
  });

  test.each([
    ['another type', npyBytes('<c8' as '<f4', [1], [1]), /type <c8/],
    ['Fortran order', npyBytes('<f4', [2], [1, 2], true), /ascontiguousarray/],
    ['too few numbers', npyBytes('<f4', [3], [1, 2]), /8 bytes of numbers, its shape and type say 12/],
    ['a shape of a million million', npyBytes('<f4', [2 ** 20, 2 ** 20], [1]), /limit of/],
    ['version 9', npyBytes('<f4', [1], [1]).fill(9, 6, 7), /version 9/],
    ['a header beyond the end', npyBytes('<f4', [1], [1]).fill(0xff, 8, 10), /cut short/],
  ])('%s is refused', (_, bytes, reason) => {
    expect(() => readNpy(bytes)).toThrow(reason);
  });
});

describe('NPZ', () => {
  const images = npyBytes('<f4', [2, 3], [1, 2, 3, 4, 5, 6]);
  const labels = npyBytes('<i8', [2], [1, 0]);
  test.each([false, true])('arrays and labels, deflated: %s', (isDeflated) => {
    const bytes = npzBytes({ inputs: images, labels }, isDeflated);
    expect([...readNpz(bytes).keys()]).toEqual(['inputs', 'labels']);
    const samples = readInputFile(bytes, table);
    expect(samples).toMatchObject({ count: 2, labels: Int32Array.of(1, 0) });
    expect(Array.from(samples.values)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('an array that unpacks to more than the directory says', () => {
    const bytes = npzBytes({ x: images }, true, deflateRawSync(new Uint8Array(1_000_000)));
    expect(() => readNpz(bytes)).toThrow(/larger than its directory says/);
  });

  test('nothing that could be meant; other numbers of labels', () => {
    expect(() => readInputFile(npzBytes({ a: images, b: images }), table)).toThrow(
      /none of its arrays \(a, b\)/,
    );
    expect(() => readInputFile(npzBytes({ x: images, y: npyBytes('<i8', [1], [1]) }), table)).toThrow(
      /labels .* must be 2/,
    );
  });
});

describe('CSV', () => {
  test('with and without names, semicolons, quotes, a mark at the start', () => {
    expect(readCsvNumbers('\uFEFFa,b\r\n1,"2"\r\n-3e2, .5\r\n\r\n')).toEqual({
      names: ['a', 'b'],
      rows: 2,
      columns: 2,
      data: Float32Array.of(1, 2, -300, 0.5),
    });
    expect(readCsvNumbers('1;2\n3;4').data).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  test.each([
    ['1,2\n3,x', /line 2, column 2: "x" is no number/],
    ['1,2\n3', /line 2 has 1 cells, the first one 2/],
    ['a,b\n', /names and no numbers/],
    ['\n', /it is empty/],
    ['1,2\n3,', /line 2, column 2: "" is no number/],
  ])('%j', (csv, reason) => {
    expect(() => readCsvNumbers(csv)).toThrow(reason);
  });
});

describe('samples by the description', () => {
  test('mean, deviation and clip, per feature', () => {
    const description = { ...table, mean: [1, 2, 3], deviation: [1, 2, 1], clip: [-1, 1] as const };
    expect(readInputFile(text('1,4,9\n0,0,3'), description)).toEqual({
      count: 2,
      values: Float32Array.of(0, 1, 1, -1, -1, 0),
      clipped: 1,
    });
  });

  test('both shapes are named', () => {
    expect(() => readInputFile(text('1,2'), table)).toThrow(/must be n x 3 but is 1 x 2/);
    expect(() => readInputFile(npyBytes('<f4', [3, 2], [1, 2, 3, 4, 5, 6]), table)).toThrow(
      /n x 3 but is 3 x 2/,
    );
    expect(() =>
      readInputFile(encodePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(1) }), table),
    ).toThrow(/must be numbers of shape 3 but is a picture/);
  });

  test('numbers that are none', () => {
    expect(() => readInputFile(npyBytes('<f4', [1, 3], [1, Number.NaN, 2]), table)).toThrow(
      /sample 0 holds NaN/,
    );
    expect(() => readInputFile(Uint8Array.of(0xff, 0xfe, 0, 1), table)).toThrow(/no PNG, JPEG, NPY/);
  });

  test('an IDX of bytes for pictures runs from 0 to white', () => {
    const idx = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 51, 255, 0, 255, 255, 0, 0);
    const { count, values } = readInputFile(idx, grey());
    expect(count).toBe(2);
    values.forEach((value, i) => expect(value).toBeCloseTo([0, 0.2, 1, 0, 1, 1, 0, 0][i]!, 6));
    expect(readInputFile(idx, { ...grey(), shape: [4] }).values).toEqual(values);
    expect(() => readInputFile(idx, { ...grey(), shape: [3] })).toThrow(/n x 3 but is 2 x 2 x 2/);
    expect(() => readInputFile(idx, tensorInput('x', [4]))).toThrow(/n x 4 \(or a picture, by --image\)/);
  });

  test('a WAV at the rate of the model, cut or filled up', () => {
    const wav = new Uint8Array(44 + 8);
    wav.set(
      Buffer.from(
        '524946462c00000057415645666d74201000000001000100401f0000803e0000020010006461746108000000',
        'hex',
      ),
    );
    new Int16Array(wav.buffer, 44).set([16_384, -16_384, 0, 8192]);
    const of = (length: number): number[] =>
      Array.from(
        readInputFile(wav, { ...tensorInput('x', [length]), kind: 'audio', audio: { rate: 8000 } }).values,
      );
    expect(of(2)).toEqual([0.5, -0.5]);
    expect(of(6)).toEqual([0.5, -0.5, 0, 0.25, 0, 0]);
  });
});

describe('pictures', () => {
  const png = (width: number, height: number, data: readonly number[], channels = 1): Uint8Array =>
    encodePng({ width, height, channels, data: Uint8Array.from(data) });

  test('stretched: means of areas; inverted; in the units of the model', () => {
    const wide = png(4, 2, [0, 0, 255, 255, 0, 0, 255, 255]);
    expect(Array.from(readInputFile(wide, grey()).values)).toEqual([0, 1, 0, 1]);
    expect(Array.from(readInputFile(wide, grey({ invert: true, white: 255 })).values)).toEqual([
      255, 0, 255, 0,
    ]);
  });

  test('contained: bars of the mean', () => {
    const wide = png(4, 2, new Array(8).fill(255));
    const description = { ...grey({ fit: 'contain' }, [1, 4, 4]), mean: [0.2], deviation: [1] };
    const { values } = readInputFile(wide, description);
    values.forEach((value, i) => expect(value).toBeCloseTo(i >= 4 && i < 12 ? 0.8 : 0, 6));
  });

  test('colour, channels last', () => {
    const red = png(1, 1, [255, 0, 51], 3);
    const description = grey({ channels: 3, order: 'channels-last', size: [2, 1] }, [2, 1, 3]);
    Array.from(readInputFile(red, description).values).forEach((value, i) =>
      expect(value).toBeCloseTo([1, 0, 0.2, 1, 0, 0.2][i]!, 6),
    );
  });

  test('as MNIST: ink of 20 parts in 28, its centre in the middle, wherever it was drawn', () => {
    const drawn = (left: number, top: number): Float32Array => {
      const data = new Array<number>(60 * 60).fill(255);
      for (let y = 0; y < 20; y++) for (let x = 0; x < 10; x++) data[(top + y) * 60 + left + x] = 0;
      return readInputFile(png(60, 60, data), grey({ fit: 'mnist', invert: true }, [1, 28, 28])).values;
    };
    const values = drawn(3, 35);
    expect(values).toEqual(drawn(40, 1));
    const ink = Array.from(values.keys()).filter((i) => values[i]! > 0.5);
    expect(new Set(ink.map((i) => Math.floor(i / 28))).size).toBe(20);
    expect(new Set(ink.map((i) => i % 28)).size).toBe(10);
    const middle = (of: (i: number) => number): number => ink.reduce((sum, i) => sum + of(i), 0) / ink.length;
    expect(Math.abs(middle((i) => i % 28) - 13.5)).toBeLessThanOrEqual(0.5);
    expect(Math.abs(middle((i) => Math.floor(i / 28)) - 13.5)).toBeLessThanOrEqual(0.5);
    expect(() =>
      readInputFile(png(4, 4, new Array(16).fill(255)), grey({ fit: 'mnist', invert: true }, [1, 28, 28])),
    ).toThrow(/nothing bright/);
  });
});

describe('a shipped network for drawings', () => {
  const file = new URL('../../../models/mnist/cryptonets-polynomial-8bit.bin', import.meta.url);
  const network = PolynomialNetwork.fromBytes(readFileSync(file));
  // Whoever asks a server has no more than this.
  const { program } = readProgram(writeProgram({ program: compile(network, { name: 'digits' }) }));
  const input = program.about!.input;

  /** A seven, light on dark. */
  const seven = new Uint8Array(784);
  for (let x = 8; x < 20; x++) for (const y of [7, 8]) seven[28 * y + x] = 255;
  for (let y = 9; y < 23; y++)
    for (const side of [0, 1]) seven[28 * y + 18 - Math.floor((y - 9) / 2) + side] = 255;
  const png = (data: Uint8Array): Uint8Array =>
    encodePng({ width: 28, height: 28, channels: 1, depth: 8, data });
  const decision = (values: Float32Array): number => {
    const scores = network.run(values);
    return scores.indexOf(Math.max(...scores));
  };

  test('brings the normalisation along: a program asks for it, and files are read with it', () => {
    expect(input.clip).toEqual([0, 1]);
    const clear = readInputFile(png(seven), input).values;
    expect(clear).toEqual(network.normalise(seven.map((level) => (level > 0 ? 1 : 0))));
    expect(decision(clear)).toBe(7);
    const changes: readonly ((level: number) => number)[] = [
      (level) => level / 3,
      (level) => 255 - level,
      (level) => 160 - level / 4,
    ];
    for (const change of changes) {
      const changed = seven.map(change);
      const { values } = readInputFile(png(changed), input);
      expect(decision(values)).toBe(7);
      const array = readInputFile(npyBytes('|u1', [2, 28, 28], [...changed, ...seven]), input);
      expect(array.values).toEqual(Float32Array.of(...values, ...clear));
      const reals = [...changed].map((level) => level / 255);
      expect(readInputFile(npyBytes('<f4', [784], reals), input).values).toEqual(values);
    }
    // As it is, dark on light is something else (control).
    const { normalisation: _, ...plain } = input.image!;
    const inverted = png(seven.map((level) => 255 - level));
    expect(decision(readInputFile(inverted, { ...input, image: plain }).values)).not.toBe(7);
    expect(() => readInputFile(png(new Uint8Array(784).fill(9)), input)).toThrow(/no drawing/);
  });
});
