import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, SubrosaError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Layout } from '../../src/compiler/packed/layout.ts';
import type { Program, ProgramValue, Step } from '../../src/compiler/program.ts';
import { programId, readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import { parseProgramText, programText } from '../../src/compiler/program-text.ts';
import { validateProgram } from '../../src/compiler/validate-program.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import { measured, SAMPLE_GRAPHS } from './sample-graphs.ts';

const programs = (): Program[] => [
  compile(randomNetwork([6, 5, 4, 3], 4, 1), { name: 'dense' }),
  compile(randomConvolution(8, 2), { name: 'convolution' }),
  ...Object.values(SAMPLE_GRAPHS).map((make) => compile(measured(make()), { name: 'graph' })),
  compile(randomConvolution(8, 2), { name: 'one-sample', layout: 'packed' }),
  compile(measured(SAMPLE_GRAPHS['nearly linear quadratics']!()), { name: 'one-sample', layout: 'packed' }),
  compile(randomConvolution(8, 2), { name: 'one-sample', layout: 'packed', reply: 'whole' }),
];

describe('the file of a program', () => {
  it('is read to the same program, with the same id', () => {
    for (const program of programs()) {
      const file = readProgram(writeProgram({ program, card: '# A model' }));
      expect(file.program).toEqual(program);
      expect(file.card).toBe('# A model');
      expect(programId(file.program)).toBe(programId(program));
    }
  });

  it('is refused with any byte changed, cut short or of a newer version', () => {
    const bytes = writeProgram({ program: compile(randomNetwork([3, 2, 2], 4, 1), { name: 'net' }) });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = bytes.slice();
        other[at]! ^= change;
        expect(() => readProgram(other)).toThrow(SubrosaError);
      }),
      { numRuns: 60 },
    );
    for (const length of [0, 5, 8, 60, bytes.length - 1])
      expect(() => readProgram(bytes.slice(0, length))).toThrow(DecodeError);
    const newer = bytes.slice();
    newer[6] = 4;
    expect(() => readProgram(newer)).toThrow(/version 4 is unknown/);
  });

  it('has a text that parses back', () => {
    for (const { values, steps } of programs())
      expect(parseProgramText(programText({ values, steps }))).toEqual({ values, steps });
    expect(() => parseProgramText('v0 "query" n1 p2 @0 s4 t1\nv1 "x" n1 p2 @0 s4 t1 = jump v0')).toThrow(
      /line 2: unknown step jump/,
    );
    expect(() =>
      parseProgramText('v0 "query" n1 p2 @0 s4 t1\nv1 "x" n1 p2 @0 s4 t1 = rescale v0 v1'),
    ).toThrow(/left over/);
  });
});

describe('a program is derived again', () => {
  const program = compile(measured(SAMPLE_GRAPHS['a residual sum across a square']!()), { name: 'net' });
  const at = (op: Step['op']): number => program.steps.findIndex((step) => step.op === op);
  const withStep = (index: number, change: object): Program => ({
    ...program,
    steps: program.steps.map((step, i) => (i === index ? ({ ...step, ...change } as Step) : step)),
  });
  const withValue = (index: number, change: Partial<ProgramValue>): Program => ({
    ...program,
    values: program.values.map((value, i) => (i === index ? { ...value, ...change } : value)),
  });
  const withMap = (change: object): Program => ({
    ...program,
    maps: program.maps.map((map, i) => (i === 0 ? { ...map, ...change } : map)),
  });

  const FAULTS: readonly (readonly [string, () => Program, RegExp])[] = [
    ['reads a value that is not there yet', () => withStep(at('linear'), { from: 9 }), /not there yet/],
    [
      'reads the query after it was taken apart',
      () => withStep(at('linear'), { from: 0 }),
      /reads the query/,
    ],
    [
      'writes over an earlier value',
      () => withStep(at('linear'), { to: 1 }),
      /does not write the next value/,
    ],
    ['uses a map that is not there', () => withStep(at('linear'), { map: 99 }), /map is missing/],
    [
      'multiplies values at different levels',
      () => withStep(at('multiply'), { b: program.steps.length - 1 }),
      /not there|match/,
    ],
    ['relinearises two parts', () => withStep(at('relinearize'), { from: 1 }), /three parts/],
    [
      'claims a higher level',
      () => withValue(at('rescale') + 1, { level: program.params.logQ.length - 1 }),
      /level of its result/,
    ],
    [
      'claims another scale',
      () => withValue(at('linear') + 1, { scale: program.values[2]!.scale * 2 }),
      /scale of its result/,
    ],
    ['claims other parts', () => withValue(at('multiply') + 1, { parts: 2 }), /parts of its result/],
    [
      'claims another number of ciphertexts',
      () => withValue(at('linear') + 1, { count: 5 }),
      /count of its result/,
    ],
    ['has a level that the parameters lack', () => withValue(3, { level: 7 }), /level of value 3/],
    ['has a scale beyond the modulus', () => withValue(0, { scale: 2 ** 200 }), /scale of value 0/],
    ['has a scale that is no number', () => withValue(0, { scale: Number.NaN }), /scale of value 0/],
    ['orders by ciphertexts that are not there', () => withStep(at('pack'), { places: 0 }), /step/],
    [
      'packs with constants that are missing',
      () => withStep(at('pack'), { places: 99 }),
      /constants is missing/,
    ],
    [
      'has a weight beyond the engine',
      () =>
        withMap({
          matrices: [{ ...program.maps[0]!.matrices[0]!, weights: new Int32Array(20).fill(40_000) }],
        }),
      /a weight/,
    ],
    [
      'has a map that writes a ciphertext twice',
      () => withMap({ blocks: [{ matrix: 0, first: 1 }] }),
      /blocks of a map/,
    ],
    [
      'has a map that reads beyond its input',
      () => withMap({ blocks: [{ matrix: 0, first: 0, inputs: Uint32Array.of(0, 1, 2, 3, 5) }] }),
      /input of a map/,
    ],
    ['has an infinite step', () => withMap({ step: Number.POSITIVE_INFINITY }), /step of a map/],
    ['offers other Galois elements', () => ({ ...program, galois: [3] }), /Galois/],
    [
      'has buckets that do not double',
      () => ({ ...program, buckets: [{ block: 100, interleave: 40 }] }),
      /a bucket/,
    ],
    [
      'ends above level 0',
      () => ({ ...program, steps: program.steps.slice(0, -1), values: program.values.slice(0, -1) }),
      /packed|level 0|two parts/,
    ],
    [
      'has more steps than any',
      () => ({ ...program, steps: new Array<Step>(5000).fill(program.steps[0]!) }),
      /steps/,
    ],
    [
      'has insecure parameters',
      () => ({ ...program, params: { ...program.params, logQ: [49, 49, 49, 49, 49] } }),
      /ceiling|secur/i,
    ],
  ];

  const packed = compile(measured(SAMPLE_GRAPHS['nearly linear quadratics']!()), {
    name: 'net',
    layout: 'packed',
    reply: 'whole',
  });
  const packedAt = (op: Step['op']): number => packed.steps.findIndex((step) => step.op === op);
  const packedStep = (op: Step['op'], change: object): Program => ({
    ...packed,
    steps: packed.steps.map((step, i) => (i === packedAt(op) ? ({ ...step, ...change } as Step) : step)),
  });
  const packedValue = (index: number, change: Partial<ProgramValue>): Program => ({
    ...packed,
    values: packed.values.map((value, i) => (i === index ? { ...value, ...change } : value)),
  });
  const layoutAt = (index: number, change: object): Program => ({
    ...packed,
    packed: {
      ...packed.packed!,
      layouts: packed.packed!.layouts.map((layout, i) => (i === index ? { ...layout, ...change } : layout)),
    },
  });
  const keys = packed.packed!.keys;
  const withKeys = (change: object): Program => ({
    ...packed,
    packed: { ...packed.packed!, keys: { ...keys, ...change } },
  });
  const summed = packed.values.findIndex(({ layout }) => packed.packed!.layouts[layout!]!.sums > 1);

  const PACKED_FAULTS: readonly (readonly [string, () => Program, RegExp])[] = [
    [
      'rotates the other way',
      () => packedStep('rotateAdd', { step: packed.packed!.layouts[0]!.slots - 8 }),
      /neither adds sums up/,
    ],
    ['rotates by nothing', () => packedStep('rotateAdd', { step: 0 }), /neither adds sums up/],
    ['transforms by a map that is not there', () => packedStep('transform', { map: 9 }), /map is missing/],
    ['transforms by the map of another layer', () => packedStep('transform', { map: 1 }), /other layouts/],
    ['has other baby steps than its keys', () => packedStep('transform', { width: 1 }), /its keys/],
    ['lacks a key', () => withKeys({ galois: keys.galois.slice(1) }), /its keys/],
    [
      'has a key one level low',
      () =>
        withKeys({
          galois: keys.galois.map((key, i) => (i === 0 ? { ...key, maxLevel: key.maxLevel - 1 } : key)),
        }),
      /its keys/,
    ],
    ['has no key to relinearise by', () => withKeys({ relinearize: 0 }), /its keys/],
    ['has a copy where another element is', () => layoutAt(0, { period: 3 }), /slots of their own|copies/],
    ['has a layout for another ring', () => layoutAt(0, { slots: 2048 }), /number of slots/],
    ['has a layout without digits', () => layoutAt(0, { digits: [] }), /every element/],
    [
      'gives out partial sums',
      () =>
        packedValue(packed.values.length - 1, {
          layout: summed === -1 ? 99 : packed.values[summed]!.layout!,
        }),
      /layout/,
    ],
    [
      'leaves junk in its reply',
      () => layoutAt(packed.values.at(-1)!.layout!, { rest: 'junk' }),
      /reply|slots without elements/,
    ],
    [
      'claims another layout',
      () => packedValue(packedAt('multiply') + 1, { layout: 0 }),
      /layout|number of ciphertexts/,
    ],
    [
      'adds a list of another length',
      () => ({ ...packed, constants: packed.constants.map((row) => row.slice(1)) }),
      /constants is missing/,
    ],
    [
      'multiplies by weights of no scale',
      () =>
        packedValue(packedAt('multiplyPlain') + 1, {
          scale: packed.values[packedAt('multiplyPlain')]!.scale / 2,
        }),
      /scale/,
    ],
    ['relinearises before nothing', () => packedStep('relinearize', { from: 0 }), /three parts/],
    ['multiplies what is in other slots', () => packedStep('multiply', { a: 3, b: 0 }), /different layouts/],
    ['multiplies partial sums', () => packedStep('multiply', { a: 1, b: 1 }), /partial sums/],
    ['adds what is in other slots', () => packedStep('multiply', { op: 'add', a: 3, b: 0 }), /do not match/],
    ['is of version 1', () => ({ ...packed, version: 1 }), /version/],
    ['has Galois elements of a batch', () => ({ ...packed, galois: [3] }), /two places/],
    ['has the buckets of a batch', () => ({ ...packed, buckets: program.buckets }), /one bucket/],
    ['takes interleaved inputs apart', () => packedStep('transform', { op: 'expand' }), /for one sample/],
    [
      'has offsets in a map',
      () => ({ ...packed, maps: packed.maps.map((map) => ({ ...map, offsets: map.offsets.map(() => 1) })) }),
      /has offsets/,
    ],
  ];

  const traced = compile(randomNetwork([40, 12, 5], 4, 1), { name: 'net', layout: 'packed' });
  const end = traced.values.length - 1;
  const tracedFrom = traced.values[end - 1]!;
  const tracedValue = (index: number, change: Partial<ProgramValue>): Program => ({
    ...traced,
    values: traced.values.map((value, i) => (i === index ? { ...value, ...change } : value)),
  });
  const tracedLayouts = (change: (layout: Layout) => object): Program => ({
    ...traced,
    packed: {
      ...traced.packed!,
      layouts: traced.packed!.layouts.map((layout, i) =>
        [tracedFrom.layout, traced.values[end]!.layout].includes(i)
          ? { ...layout, ...change(layout) }
          : layout,
      ),
    },
  });
  const TRACED_FAULTS: readonly (readonly [string, () => Program, RegExp])[] = [
    ['is of version 2', () => ({ ...traced, version: 2 }), /version/],
    ['claims a trace that it has not', () => ({ ...packed, version: 3 }), /version/],
    [
      'has the scale of its copies',
      () => tracedValue(end, { scale: tracedFrom.scale }),
      /scale of its result/,
    ],
    ['keeps its sums', () => tracedValue(end, { layout: tracedFrom.layout! }), /layout of the reply/],
    [
      'has junk that the mean would mix in',
      () => tracedLayouts(() => ({ rest: 'junk' })),
      /slots without elements|layout of the reply/,
    ],
    [
      'has copies in some of the slots only',
      () => tracedLayouts(({ copies }) => ({ copies: copies / 2 })),
      /partial sums|mean would be|around the slots/,
    ],
    [
      'goes on behind the trace',
      () => ({
        ...traced,
        values: [...traced.values, { ...traced.values[end]!, level: 0 }],
        steps: [...traced.steps, { op: 'addPlain', from: end, to: end + 1, addends: 0 }],
      }),
      /not the last step|version/,
    ],
    [
      'is traced above level 0',
      () => ({
        ...traced,
        values: traced.values.map((value, i) => (i >= end - 1 ? { ...value, level: 1 } : value)),
      }),
      /level/,
    ],
  ];

  it.each(TRACED_FAULTS)('a traced one that %s is refused', (_, make, reason) => {
    expect(() => validateProgram(structuredClone(make()))).toThrow(reason);
  });

  it('and the traced one without a fault is not', () => {
    expect(traced.steps.at(-1)!.op).toBe('trace');
    expect(traced.packed!.layouts[tracedFrom.layout!]!.sums).toBeGreaterThan(1);
    expect(validateProgram(structuredClone(traced))).toEqual(traced);
  });

  it.each(PACKED_FAULTS)('a packed one that %s is refused', (_, make, reason) => {
    expect(() => validateProgram(structuredClone(make()))).toThrow(reason);
  });

  it('and the packed one without a fault is not', () => {
    expect(validateProgram(structuredClone(packed))).toEqual(packed);
  });

  it('steps of one kind of program do not run in the other', () => {
    const step = { op: 'rotateAdd', from: 1, to: 2, step: 4 } as const;
    expect(() =>
      validateProgram(
        structuredClone({ ...program, steps: [program.steps[0]!, step, ...program.steps.slice(2)] }),
      ),
    ).toThrow(/for batches/);
  });

  it.each(FAULTS)('one that %s is refused', (_, make, reason) => {
    expect(() => validateProgram(structuredClone(make()))).toThrow(reason);
  });

  it('and the one without a fault is not', () => {
    expect(validateProgram(structuredClone(program))).toEqual(program);
  });
});
