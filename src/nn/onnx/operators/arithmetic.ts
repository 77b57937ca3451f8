/** Element-wise arithmetic of constants, of data with constants, and of data with data; comparisons and choices. */
import { evaluateFunction } from '../../graph/element-functions.ts';
import { sizeOf } from '../../tensor/tensor.ts';
import { constant, isIntegerType } from '../constant-tensor.ts';
import type { ConstantTensor } from '../constant-tensor.ts';
import { constantValue, mappedConstant, NodeProblem } from '../draft.ts';
import type { Value, WireValue } from '../draft.ts';
import { broadcastShape, expanded } from '../../graph/index-maps.ts';
import { batchProblem } from './operator.ts';
import type { Operator, OperatorCall } from './operator.ts';

type Pairwise = (a: number, b: number) => number;
type Known = Exclude<Value, { kind: 'unknown' }>;

/** Both values in the shape that they broadcast to; that of data is with a batch axis of 1. */
function broadcastPair(call: OperatorCall, a: Known, b: Known): readonly [Known, Known] {
  const [left, right] = [call.fullShape(a), call.fullShape(b)];
  const shape = broadcastShape(left, right);
  if (shape === undefined)
    throw new NodeProblem(`shapes [${left.join(', ')}] and [${right.join(', ')}] do not broadcast`);
  for (const value of [a, b])
    if (value.kind === 'wire' && (shape.length !== value.shape.length + 1 || shape[0] !== 1))
      throw batchProblem();
  const fit = (value: Known): Known =>
    call.fullShape(value).join() === shape.join()
      ? value
      : (call.view(value, expanded(call.fullShape(value), shape)) as Known);
  return [fit(a), fit(b)];
}

function foldPair(
  call: OperatorCall,
  a: ConstantTensor,
  b: ConstantTensor,
  compute: Pairwise,
  type = a.type,
): Value {
  const shape = broadcastShape(a.shape, b.shape);
  if (shape === undefined)
    throw new NodeProblem(`shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}] do not broadcast`);
  call.draft.allow(2 * sizeOf(shape));
  const [left, right] = [expanded(a.shape, shape).from, expanded(b.shape, shape).from];
  const data = Float64Array.from(left, (at, i) => compute(a.data[at], b.data[right[i]]));
  return constantValue(constant(type, shape, data));
}

interface Arithmetic {
  readonly fold: (type: ConstantTensor['type']) => Pairwise;
  readonly withConstant: (
    call: OperatorCall,
    x: WireValue,
    c: ConstantTensor,
    isDataFirst: boolean,
  ) => WireValue;
  readonly withData: (call: OperatorCall, a: WireValue, b: WireValue) => WireValue;
}

function reciprocals(c: ConstantTensor): Float64Array {
  if (c.data.includes(0)) throw new NodeProblem('it divides by a constant zero');
  return Float64Array.from(c.data, (value) => 1 / value);
}

const ARITHMETIC: Readonly<Record<'Add' | 'Sub' | 'Mul' | 'Div', Arithmetic>> = {
  Add: {
    fold: () => (a, b) => a + b,
    withConstant: ({ draft }, x, c) => draft.affine(x, 1, c.data),
    withData: ({ draft }, a, b) => (a.id === b.id ? draft.affine(a, 2, 0) : draft.add(a, b)),
  },
  Sub: {
    fold: () => (a, b) => a - b,
    withConstant: ({ draft }, x, c, isDataFirst) =>
      isDataFirst
        ? draft.affine(
            x,
            1,
            Float64Array.from(c.data, (v) => -v),
          )
        : draft.affine(x, -1, c.data),
    withData: ({ draft }, a, b) => draft.add(a, draft.affine(b, -1, 0)),
  },
  Mul: {
    fold: () => (a, b) => a * b,
    withConstant: ({ draft }, x, c) => draft.affine(x, c.data, 0),
    withData: ({ draft }, a, b) => draft.multiply(a, b),
  },
  Div: {
    // Of integers it truncates.
    fold: (type) => (isIntegerType(type) ? (a, b) => Math.trunc(a / b) : (a, b) => a / b),
    withConstant: ({ draft }, x, c, isDataFirst) =>
      isDataFirst
        ? draft.affine(x, reciprocals(c), 0)
        : draft.affine(draft.function(x, 'reciprocal'), c.data, 0),
    withData: ({ draft }, a, b) => draft.multiply(a, draft.function(b, 'reciprocal')),
  },
};

function combine(
  call: OperatorCall,
  { fold, withConstant, withData }: Arithmetic,
  a: Known,
  b: Known,
): Known {
  if (a.kind === 'constant' && b.kind === 'constant')
    return foldPair(call, a.tensor, b.tensor, fold(a.tensor.type)) as Known;
  const [left, right] = broadcastPair(call, a, b);
  if (left.kind === 'wire' && right.kind === 'wire') return withData(call, left, right);
  return left.kind === 'wire'
    ? withConstant(call, left, (right as Extract<Known, { kind: 'constant' }>).tensor, true)
    : withConstant(call, right as WireValue, left.tensor, false);
}

/** Any number of operands from the left. */
function combineAll(call: OperatorCall, arithmetic: Arithmetic): Known {
  let sum = call.input(0);
  for (let i = 1; i < call.inputs.length; i++) sum = combine(call, arithmetic, sum, call.input(i));
  return sum;
}

function readMeanOfAll(call: OperatorCall): Value[] {
  const sum = combineAll(call, ARITHMETIC.Add);
  const share = constantValue(constant('float64', [], [1 / call.inputs.length]));
  return [combine(call, ARITHMETIC.Mul, sum, share)];
}

/** The one number of a constant, undefined when it has several that differ. */
function uniform(c: ConstantTensor): number | undefined {
  return c.data.length > 0 && c.data.every((value) => value === c.data[0]) ? c.data[0] : undefined;
}

/** max(x, c) = relu(x - c) + c. */
function largestWithConstant({ draft }: OperatorCall, x: WireValue, bounds: ArrayLike<number>): WireValue {
  const negative = Float64Array.from(bounds, (value) => -value);
  if (negative.every((value) => value === 0)) return draft.function(x, 'relu');
  return draft.affine(draft.function(draft.affine(x, 1, negative), 'relu'), 1, bounds);
}

/** min(x, c) = c - relu(c - x). */
function smallestWithConstant({ draft }: OperatorCall, x: WireValue, bounds: ArrayLike<number>): WireValue {
  return draft.affine(draft.function(draft.affine(x, -1, bounds), 'relu'), -1, bounds);
}

const EXTREMA: Readonly<Record<'Max' | 'Min', Arithmetic>> = {
  Max: {
    fold: () => Math.max,
    withConstant: (call, x, c) => largestWithConstant(call, x, c.data),
    withData: ({ draft }, a, b) => draft.add(draft.function(draft.add(a, draft.affine(b, -1, 0)), 'relu'), b),
  },
  Min: {
    fold: () => Math.min,
    withConstant: (call, x, c) => smallestWithConstant(call, x, c.data),
    withData: ({ draft }, a, b) => {
      const excess = draft.function(draft.add(a, draft.affine(b, -1, 0)), 'relu');
      return draft.add(a, draft.affine(excess, -1, 0));
    },
  },
};

const MAX_POWER = 8;

function readPow(call: OperatorCall): Value[] {
  const [base, exponent] = [call.input(0), call.input(1)];
  if (base.kind === 'constant' && exponent.kind === 'constant')
    return [foldPair(call, base.tensor, exponent.tensor, (a, b) => a ** b)];
  if (exponent.kind === 'wire') {
    const [left, right] = broadcastPair(call, base, exponent);
    if (left.kind === 'wire') throw new NodeProblem('both base and exponent depend on the input');
    if (left.tensor.data.some((value) => !(value > 0)))
      throw new NodeProblem('a power of a base that is not positive');
    const logarithms = Float64Array.from(left.tensor.data, Math.log);
    return [call.draft.function(call.draft.affine(right as WireValue, logarithms, 0), 'exp')];
  }
  const n = uniform(exponent.tensor);
  if (n === undefined) throw new NodeProblem('its exponents differ');
  const [x] = broadcastPair(call, base, exponent) as readonly [WireValue, Known];
  const { draft } = call;
  if (n === 1) return [x];
  if (n === 2) return [draft.multiply(x, x)];
  if (Number.isInteger(n) && n >= 0 && n <= MAX_POWER)
    return [
      draft.polynomial(
        x,
        Array.from({ length: n + 1 }, (_, i) => (i === n ? 1 : 0)),
      ),
    ];
  if (n === 0.5) return [draft.function(x, 'sqrt')];
  return [n === -1 ? draft.function(x, 'reciprocal') : draft.function(x, 'power', [n])];
}

function readMod(call: OperatorCall): Value[] {
  if (!call.allConstant) throw new NodeProblem('it has no polynomial form');
  const isTruncated = call.attributes.int('fmod', 0) !== 0;
  const mod: Pairwise = isTruncated ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b);
  return [foldPair(call, call.constant(0, 'A'), call.constant(1, 'B'), mod)];
}

const COMPARISONS = {
  Greater: ['greater', 'less', (a: number, b: number) => a > b],
  GreaterOrEqual: ['greater-equal', 'less-equal', (a: number, b: number) => a >= b],
  Less: ['less', 'greater', (a: number, b: number) => a < b],
  LessOrEqual: ['less-equal', 'greater-equal', (a: number, b: number) => a <= b],
  Equal: ['equal', 'equal', (a: number, b: number) => a === b],
} as const;

function readComparison(call: OperatorCall, name: keyof typeof COMPARISONS): Value[] {
  const [relation, mirrored, compute] = COMPARISONS[name];
  const [a, b] = [call.input(0), call.input(1)];
  if (a.kind === 'constant' && b.kind === 'constant')
    return [foldPair(call, a.tensor, b.tensor, (x, y) => (compute(x, y) ? 1 : 0), 'bool')];
  const [left, right] = broadcastPair(call, a, b);
  if (left.kind === 'wire' && right.kind === 'wire') {
    const difference = call.draft.add(left, call.draft.affine(right, -1, 0));
    return [call.draft.tail([difference], { op: 'compare', in: 0, relation, bound: [0] }, left.shape)];
  }
  const x = (left.kind === 'wire' ? left : right) as WireValue;
  const c = (left.kind === 'wire' ? right : left) as Extract<Known, { kind: 'constant' }>;
  const bound = [...c.tensor.data];
  const own = left.kind === 'wire' ? relation : mirrored;
  return [call.draft.tail([x], { op: 'compare', in: 0, relation: own, bound }, x.shape)];
}

const LOGIC: Readonly<Record<'And' | 'Or' | 'Xor', Arithmetic>> = {
  And: { ...ARITHMETIC.Mul, fold: () => (a, b) => (a !== 0 && b !== 0 ? 1 : 0) },
  Or: {
    fold: () => (a, b) => (a !== 0 || b !== 0 ? 1 : 0),
    withConstant: ({ draft }, x, c) =>
      draft.affine(
        x,
        Float64Array.from(c.data, (v) => 1 - v),
        c.data,
      ),
    withData: ({ draft }, a, b) => draft.add(draft.add(a, b), draft.affine(draft.multiply(a, b), -1, 0)),
  },
  Xor: {
    fold: () => (a, b) => ((a !== 0) === (b !== 0) ? 0 : 1),
    withConstant: ({ draft }, x, c) =>
      draft.affine(
        x,
        Float64Array.from(c.data, (v) => 1 - 2 * v),
        c.data,
      ),
    withData: ({ draft }, a, b) => draft.add(draft.add(a, b), draft.affine(draft.multiply(a, b), -2, 0)),
  },
};

const isZero = (value: number): number => (value === 0 ? 1 : 0);

function readNot(call: OperatorCall): Value[] {
  const value = call.input(0);
  if (value.kind === 'wire') return [call.draft.affine(value, -1, 1)];
  return [mappedConstant(value.tensor, isZero, 'bool')];
}

/** condition ? a : b as b + condition (a - b); the condition is 0 or 1. */
function readWhere(call: OperatorCall): Value[] {
  const [condition, a, b] = [call.input(0), call.input(1), call.input(2)];
  if (condition.kind === 'constant') {
    const isYes = uniform(condition.tensor);
    if (a.kind === 'constant' && b.kind === 'constant') {
      const yes = foldPair(
        call,
        condition.tensor,
        a.tensor,
        (c, x) => (c === 0 ? 0 : x),
        a.tensor.type,
      ) as Extract<Known, { kind: 'constant' }>;
      const no = foldPair(
        call,
        condition.tensor,
        b.tensor,
        (c, x) => (c === 0 ? x : 0),
        a.tensor.type,
      ) as Extract<Known, { kind: 'constant' }>;
      return [foldPair(call, yes.tensor, no.tensor, (x, y) => x + y, a.tensor.type)];
    }
    if (isYes !== undefined) {
      const [left, right] = broadcastPair(call, a, b);
      return [isYes === 0 ? right : left];
    }
    const opposite = mappedConstant(condition.tensor, isZero, 'float64');
    return [
      combine(
        call,
        ARITHMETIC.Add,
        combine(call, ARITHMETIC.Mul, condition, a),
        combine(call, ARITHMETIC.Mul, opposite, b),
      ),
    ];
  }
  const difference = combine(call, ARITHMETIC.Sub, a, b);
  return [combine(call, ARITHMETIC.Add, combine(call, ARITHMETIC.Mul, condition, difference), b)];
}

function readNeg(call: OperatorCall): Value[] {
  const value = call.input(0);
  if (value.kind === 'wire') return [call.draft.affine(value, -1, 0)];
  return [mappedConstant(value.tensor, (v) => -v)];
}

/** Of single precision; older exporters write it for no bound. */
const LOWEST_FLOAT = -3.4e38;

/** Clip: bounds as attributes before 11, as inputs from there on. */
function readClip(call: OperatorCall): Value[] {
  const bound = (index: number, name: string, otherwise: number): number => {
    if (call.opset < 11) return call.attributes.float(name, otherwise);
    const given = call.optionalConstant(index, name);
    if (given !== undefined && given.data.length !== 1)
      throw new NodeProblem(`${name} has ${given.data.length} elements`);
    return given?.data[0] ?? otherwise;
  };
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY);
  const high = bound(2, 'max', Number.POSITIVE_INFINITY);
  const value = call.input(0);
  if (value.kind === 'constant')
    return [mappedConstant(value.tensor, (v) => evaluateFunction('clip', v, [low, high]))];
  // A bound that no number of the file's type reaches is none; so parameters stay finite, as programs need them.
  const all = (bound: number): Float64Array => new Float64Array(sizeOf(value.shape)).fill(bound);
  const [isLow, isHigh] = [low > LOWEST_FLOAT, high < -LOWEST_FLOAT];
  if (isLow && isHigh) return [call.draft.function(value, 'clip', [low, high])];
  if (isLow) return [largestWithConstant(call, value, all(low))];
  return [isHigh ? smallestWithConstant(call, value, all(high)) : value];
}

/** PRelu: the slope broadcasts to the data, never the other way round. */
function readPRelu(call: OperatorCall): Value[] {
  const x = call.wire(0);
  const slope = call.constant(1, 'the slope');
  const one = uniform(slope);
  if (one !== undefined) return [call.draft.function(x, 'leaky-relu', [one])];
  const full = [1, ...x.shape];
  const shape = broadcastShape(full, slope.shape);
  if (shape?.join() !== full.join()) throw new NodeProblem('its slopes do not broadcast to its data');
  const perElement = Float64Array.from(expanded(slope.shape, full).from, (at) => slope.data[at]);
  const inside = sizeOf(x.shape.slice(1));
  const perChannel = Float64Array.from(
    { length: x.shape[0] ?? 1 },
    (_, channel) => perElement[channel * inside],
  );
  if (perElement.every((value, i) => value === perChannel[Math.floor(i / inside)]))
    return [call.draft.function(x, 'prelu', [0], perChannel)];
  // slope x + (1 - slope) relu(x)
  const positive = call.draft.affine(
    call.draft.function(x, 'relu'),
    perElement.map((value) => 1 - value),
    0,
  );
  return [call.draft.add(call.draft.affine(x, perElement, 0), positive)];
}

const named = <K extends string>(table: Readonly<Record<K, unknown>>): K[] => Object.keys(table) as K[];

export const ARITHMETIC_OPERATORS: readonly Operator[] = [
  ...named(ARITHMETIC).map(
    (name): Operator => ({
      name,
      becomes: name === 'Mul' || name === 'Div' ? 'product' : 'linear map',
      attributes: [],
      note:
        name === 'Div'
          ? 'by a constant a linear map; by data a product with 1/x'
          : name === 'Mul'
            ? 'by a constant a linear map'
            : '',
      read: (call) => [combine(call, ARITHMETIC[name], call.input(0), call.input(1))],
    }),
  ),
  { name: 'Sum', becomes: 'linear map', attributes: [], read: (call) => [combineAll(call, ARITHMETIC.Add)] },
  { name: 'Mean', becomes: 'linear map', attributes: [], read: readMeanOfAll },
  { name: 'Neg', becomes: 'linear map', attributes: [], read: readNeg },
  ...named(EXTREMA).map(
    (name): Operator => ({
      name,
      becomes: 'function',
      attributes: [],
      note: 'of data with a constant a clip; of data with data ReLU of the difference',
      read: (call) => [combineAll(call, EXTREMA[name])],
    }),
  ),
  {
    name: 'Pow',
    becomes: 'product',
    attributes: [],
    note: 'exponent constant: 2 a square, up to 8 a polynomial, else a function',
    read: readPow,
  },
  { name: 'Mod', becomes: 'constant', attributes: ['fmod'], read: readMod },
  {
    name: 'Clip',
    becomes: 'function',
    attributes: ['min', 'max'],
    note: 'bounds are attributes before 11; min above max gives max',
    read: readClip,
  },
  { name: 'PRelu', becomes: 'function', attributes: [], read: readPRelu },
  ...named(COMPARISONS).map(
    (name): Operator => ({
      name,
      becomes: 'tail',
      attributes: [],
      read: (call) => readComparison(call, name),
    }),
  ),
  ...named(LOGIC).map(
    (name): Operator => ({
      name,
      becomes: 'tail',
      attributes: [],
      read: (call) => [combine(call, LOGIC[name], call.input(0), call.input(1))],
    }),
  ),
  { name: 'Not', becomes: 'tail', attributes: [], read: readNot },
  {
    name: 'Where',
    opsets: [9, 23],
    becomes: 'tail',
    attributes: [],
    note: 'b + condition (a - b)',
    read: readWhere,
  },
];
