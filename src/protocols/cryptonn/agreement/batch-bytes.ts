/**
 * One encrypted batch as bytes, as it lies in an owner's file:
 * 'SRCB', labels u32, u16 each, none when they are encrypted; then for samples, features, and encrypted labels if any:
 * ciphertexts u32, per ciphertext its length u32 and bytes.
 */
import * as arg from '../../../base/arguments.ts';
import { ByteReader, ByteWriter } from '../../../base/bytes.ts';
import type { InnerProductCiphertext, InnerProductScheme } from '../../../fe/inner-product-scheme.ts';
import { type AxisSizes, axisSizes } from './axis-sizes.ts';
import type { AxisName, DatasetSpec } from './dataset-spec.ts';

const MAGIC = 0x42435253;

/** What leaves the owner for one batch. */
export interface OwnedBatch {
  readonly owner: string;
  /** As declared in the specification that the owner encrypted under. */
  readonly inputScale: number;
  /** Renamed; empty when they are encrypted. */
  readonly labels: Int32Array;
  readonly encryptedLabels: readonly InnerProductCiphertext[];
  readonly samples: readonly InnerProductCiphertext[];
  /** Along the batch; empty in projected mode. */
  readonly features: readonly InnerProductCiphertext[];
}

export type BatchContent = Pick<OwnedBatch, 'labels' | 'samples' | 'features'> &
  Partial<Pick<OwnedBatch, 'encryptedLabels'>>;

/** The axes of a data set, those of its samples first. */
export function batchAxes(spec: DatasetSpec): readonly AxisName[] {
  arg.checkArguments('batchAxes', [spec], { spec: arg.options });
  const { mode, faithful } = spec;
  if (mode === 'projected') return ['projection'];
  return faithful?.labels === undefined ? ['forward', 'gradient'] : ['forward', 'gradient', 'labels'];
}

export function writeBatch(content: BatchContent): Uint8Array {
  arg.checkArguments('writeBatch', [content], { content: arg.like('a BatchContent', 'labels', 'features') });
  const { labels, encryptedLabels, samples, features } = content;
  const lists = [samples, features, ...(encryptedLabels?.length ? [encryptedLabels] : [])];
  const axes = lists.map((axis) => axis.map((ciphertext) => ciphertext.toBytes()));
  const length = axes.flat().reduce((sum, bytes) => sum + 4 + bytes.length, 0);
  const writer = new ByteWriter(4 + 4 + 2 * labels.length + 4 * axes.length + length);
  writer.u32(MAGIC);
  writer.u32(labels.length);
  for (const label of labels) writer.u16(label);
  for (const axis of axes) {
    writer.u32(axis.length);
    for (const bytes of axis) {
      writer.u32(bytes.length);
      writer.bytes(bytes);
    }
  }
  return writer.finish();
}

/**
 * Reads the batch of one data set; the caller disposes of its ciphertexts.
 * @throws {DecodeError} when counts do not fit the data set. {@link ParamsMismatchError} for ciphertexts of another one.
 */
export function readBatch(
  bytes: Uint8Array,
  spec: DatasetSpec,
  schemeFor: (axis: AxisName) => InnerProductScheme,
): Required<BatchContent> {
  arg.checkArguments('readBatch', [bytes, spec, schemeFor], {
    bytes: arg.bytes,
    spec: arg.options,
    schemeFor: arg.callback,
  });
  const reader = new ByteReader('an encrypted batch', bytes);
  if (reader.u32() !== MAGIC) throw reader.error('bad magic');
  const axes = batchAxes(spec);
  const plainLabels = axes.includes('labels') ? 0 : spec.batch;
  if (reader.u32() !== plainLabels) throw reader.error(`a batch of this data set has ${plainLabels} labels`);
  const labels = Int32Array.from({ length: plainLabels }, () => reader.u16());
  if (labels.some((label) => label >= spec.classes))
    throw reader.error(`a label is no class below ${spec.classes}`);
  const made: InnerProductCiphertext[] = [];
  try {
    const [across, along, hidden] = axes as [AxisName, AxisName?, AxisName?];
    const read = (axis: AxisName) => readAxis(reader, schemeFor(axis), axisSizes(spec, axis), made);
    const samples = read(across);
    const features = along === undefined ? [] : read(along);
    if (along === undefined && reader.u32() !== 0) throw reader.error('a second axis was not expected');
    const encryptedLabels = hidden === undefined ? [] : read(hidden);
    reader.end();
    return { labels, encryptedLabels, samples, features };
  } catch (error) {
    for (const ciphertext of made) ciphertext[Symbol.dispose]();
    throw error;
  }
}

/** Ciphertexts that hold exactly the vectors of every part, part after part. */
function readAxis(
  reader: ByteReader,
  scheme: InnerProductScheme,
  { vectors, parts }: AxisSizes,
  made: InnerProductCiphertext[],
): InnerProductCiphertext[] {
  const perPart = Math.ceil(vectors / scheme.packing);
  const count = reader.u32();
  if (count !== parts * perPart) throw reader.error('the number of ciphertexts does not fit');
  const out: InnerProductCiphertext[] = [];
  for (let i = 0; i < count; i++) {
    const ciphertext = scheme.ciphertextFromBytes(reader.bytes(reader.u32()));
    made.push(ciphertext);
    out.push(ciphertext);
    const expected = Math.min(scheme.packing, vectors - (i % perPart) * scheme.packing);
    if (ciphertext.count !== expected)
      throw reader.error(`ciphertext ${i} holds ${ciphertext.count} vectors, not ${expected}`);
  }
  return out;
}
