/** NPY and NPZ files as numpy writes them. */
import { deflateRawSync } from 'node:zlib';

const WIDTHS = { '<f4': 4, '<f8': 8, '<i4': 4, '<i8': 8, '<u2': 2, '|i1': 1, '|u1': 1 } as const;

export function npyBytes(
  type: keyof typeof WIDTHS,
  shape: readonly number[],
  values: readonly number[],
  isFortran = false,
): Uint8Array {
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': (${extents}), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const width = WIDTHS[type] ?? 8;
  const bytes = new Uint8Array(10 + header.length + width * values.length);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  const view = new DataView(bytes.buffer, 10 + header.length);
  values.forEach((value, i) => {
    const at = i * width;
    if (type === '<f4') view.setFloat32(at, value, true);
    else if (type === '<f8') view.setFloat64(at, value, true);
    else if (type === '<i4') view.setInt32(at, value, true);
    else if (type === '<i8') view.setBigInt64(at, BigInt(value), true);
    else if (type === '<u2') view.setUint16(at, value, true);
    else if (width === 1) view.setUint8(at, value & 255);
  });
  return bytes;
}

/** `forged` takes the place of what each array is packed to. */
export function npzBytes(
  arrays: Readonly<Record<string, Uint8Array>>,
  isDeflated = false,
  forged?: Uint8Array,
): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const file = new TextEncoder().encode(`${name}.npy`);
    const data = forged ?? (isDeflated ? new Uint8Array(deflateRawSync(array)) : array);
    const common = (view: DataView, from: number): void => {
      view.setUint16(from, isDeflated ? 8 : 0, true);
      view.setUint32(from + 10, data.length, true);
      view.setUint32(from + 14, array.length, true);
      view.setUint16(from + 18, file.length, true);
    };
    const local = new Uint8Array(30 + file.length);
    new DataView(local.buffer).setUint32(0, 0x04034b50, true);
    common(new DataView(local.buffer), 8);
    local.set(file, 30);
    const entry = new Uint8Array(46 + file.length);
    const view = new DataView(entry.buffer);
    view.setUint32(0, 0x02014b50, true);
    common(view, 10);
    view.setUint32(42, at, true);
    entry.set(file, 46);
    parts.push(local, data);
    directory.push(entry);
    at += local.length + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(10, directory.length, true);
  view.setUint32(12, size, true);
  view.setUint32(16, at, true);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}
