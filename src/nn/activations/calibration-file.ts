/**
 * What a calibration measured, without weights: the polynomial of every activation and what every wire was seen to carry. With it a model
 * is compiled again without samples, also by somebody who has the model and no data.
 */
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';
import { DataError, DecodeError } from '../../base/errors.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { mergeLinear } from '../graph/passes/merge-linear.ts';
import { pruneConstants } from '../graph/passes/prune-constants.ts';
import type { LinearMap } from '../graph/linear-map.ts';
import type { ModelGraph, ModelNode, Wire } from '../graph/model-graph.ts';

const MAX_CHARACTERS = 2 ** 26;
/** Digits of a number in a file: more than single precision has. */
const DIGITS = 8;

const numbers = z.array(z.number()).min(1).max(65_536);
const interval = z.tuple([z.number(), z.number()]);
const schema = z.strictObject({
  version: z.literal(1),
  /** What it was measured on. */
  about: z.string().max(4096),
  /** SHA-256 of the weights that it belongs to. */
  weights: z.string().regex(/^[0-9a-f]{64}$/),
  interval,
  clip: interval,
  /** One per polynomial, lowest power first. */
  polynomials: z.array(z.array(numbers).min(2).max(8)).max(4096),
  wires: z
    .array(
      z.strictObject({
        samples: z.number().min(1),
        low: numbers,
        high: numbers,
        mean: numbers,
        variance: numbers,
      }),
    )
    .max(4096),
});

/** `fits` is the `fits` of the calibration of `float`. @throws {DataError} for networks with more than polynomials in them. */
export function writeCalibration(float: ModelGraph, fits: ModelGraph, about: string): string {
  const rounded = (list: Float64Array): number[] =>
    Array.from(list, (value) => Number(value.toPrecision(DIGITS)));
  const isPlain =
    fits.nodes.length === float.nodes.length &&
    fits.nodes.every(
      ({ op }, i) => op === float.nodes[i]!.op || (op === 'polynomial' && isFunction(float, i)),
    );
  if (!isPlain)
    throw new DataError(
      'the calibration replaced more than element functions (maxima or normalisations): it cannot be kept in a file',
    );
  const { interval: seen, clip } = fits.inputs[0]!;
  return `${JSON.stringify({
    version: 1,
    about,
    weights: weightsOf(float),
    interval: seen,
    clip,
    polynomials: fits.nodes.flatMap((node) =>
      node.op === 'polynomial' ? [node.coefficients.map(rounded)] : [],
    ),
    wires: fits.wires.map(({ trained }) => {
      const { samples, low, high, mean, variance } = trained!;
      return {
        samples,
        low: rounded(low),
        high: rounded(high),
        mean: rounded(mean),
        variance: rounded(variance),
      };
    }),
  })}\n`;
}

/**
 * The network with the polynomials of a file, ready to be compiled.
 * @throws {DecodeError} for what is no such file. @throws {DataError} when it belongs to another network.
 */
export function applyCalibration(float: ModelGraph, text: string): ModelGraph {
  const file = parsed(text);
  if (file.weights !== weightsOf(float))
    throw new DataError(
      'the calibration file belongs to other weights: calibrate this model with --calibrate',
    );
  const polynomials = file.polynomials.map((rows) => rows.map((row) => Float64Array.from(row)));
  let next = 0;
  const nodes = float.nodes.map((node): ModelNode => {
    if (node.op !== 'function') return node;
    const coefficients = polynomials[next++];
    if (coefficients === undefined)
      throw new DataError('the calibration file has fewer polynomials than the network activations');
    return { op: 'polynomial', in: node.in, out: node.out, coefficients };
  });
  if (next !== polynomials.length || file.wires.length !== float.wires.length)
    throw new DataError('the calibration file belongs to another network');
  const wires = float.wires.map((wire, i): Wire => {
    const { samples, ...lists } = file.wires[i]!;
    const [low, high, mean, variance] = [lists.low, lists.high, lists.mean, lists.variance].map((list) => {
      if (list.length !== wire.shape[0])
        throw new DataError(`the calibration file has ${list.length} channels for ${wire.shape[0]}`);
      return Float64Array.from(list);
    }) as [Float64Array, Float64Array, Float64Array, Float64Array];
    return { ...wire, trained: { samples, low, high, mean, variance } };
  });
  const inputs = float.inputs.map((input) => ({ ...input, interval: file.interval, clip: file.clip }));
  return pruneConstants(mergeLinear({ ...float, inputs, nodes, wires }));
}

function isFunction({ nodes }: ModelGraph, index: number): boolean {
  return nodes[index]?.op === 'function';
}

function parsed(text: string): z.infer<typeof schema> {
  if (text.length > MAX_CHARACTERS) throw new DecodeError('a calibration file', 'it is too long');
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new DecodeError('a calibration file', 'it is not one that `compile --keep-calibration` wrote');
  }
}

function weightsOf({ nodes }: ModelGraph): string {
  const parts = nodes.flatMap((node) => {
    if (node.op !== 'linear') return [];
    const { map } = node;
    return [...factorsOf(map), Float64Array.from(map.bias)].map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
  });
  return bytesToHex(sha256Digest(concatBytes(...parts)));
}

/** The numbers of a map besides its offsets. */
function factorsOf(map: LinearMap): Float64Array[] {
  if (map.kind === 'gather') return [];
  if (map.kind === 'diagonal') return [map.factors];
  return [map.kind === 'sparse' ? map.weights : Float64Array.from(map.matrix)];
}
