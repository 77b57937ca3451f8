/**
 * Products of an encrypted matrix with a clear one (Xu, Joshi, Li: CryptoNN, ICDCS 2019): the rows of the left matrix are encrypted as
 * vectors, `packing` of them in each ciphertext; one function key per column of the right one. What the holder of the keys learns is
 * the product, and with as many independent columns as the vectors are long, the left matrix.
 *
 * Decryption uses all threads of the kernel that the scheme was made with.
 */
import * as arg from '../base/arguments.ts';
import { printOnOneLine } from '../base/inspect.ts';
import { ShapeError } from '../base/errors.ts';
import type { RandomSource } from '../base/random.ts';
import type {
  FunctionKeys,
  InnerProductCiphertext,
  InnerProductScheme,
  MasterPublicKey,
  MasterSecretKey,
} from './inner-product-scheme.ts';
import { checkBound } from './object-header.ts';

/** Row-major [rows, columns]. */
export interface IntegerMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Int32Array;
}

/** A matrix encrypted row by row. Disposing frees its ciphertexts. */
export class EncryptedMatrix implements Disposable {
  readonly rows: number;
  readonly columns: number;
  readonly ciphertexts: readonly InnerProductCiphertext[];

  constructor(rows: number, columns: number, ciphertexts: readonly InnerProductCiphertext[]) {
    arg.checkArguments('new EncryptedMatrix', [rows, columns, ciphertexts], {
      rows: arg.number,
      columns: arg.number,
      ciphertexts: arg.list,
    });
    this.rows = rows;
    this.columns = columns;
    this.ciphertexts = ciphertexts;
  }

  get byteLength(): number {
    return this.ciphertexts.reduce((sum, ciphertext) => sum + ciphertext.byteLength, 0);
  }

  [Symbol.dispose](): void {
    for (const ciphertext of this.ciphertexts) ciphertext[Symbol.dispose]();
  }
}

/** @throws {ShapeError} */
function checkMatrix(what: string, { rows, columns, values }: IntegerMatrix): void {
  if (rows < 1 || columns < 1 || values.length !== rows * columns)
    throw new ShapeError(what, `${rows} x ${columns} numbers`, `${values.length} numbers`);
}

/** The transposed values of some rows: [columns, rows]. */
function transposedRows({ columns, values }: IntegerMatrix, from: number, count: number): Int32Array {
  const out = new Int32Array(columns * count);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < columns; i++) out[i * count + row] = values[(from + row) * columns + i] as number;
  }
  return out;
}

/**
 * `matrix.columns` must be the length of the scheme's vectors.
 * @throws {OutOfRangeError} for an entry over `inputBound`; nothing of the matrix is encrypted then. {@link ShapeError}
 */
export function encryptMatrix(
  scheme: InnerProductScheme,
  publicKey: MasterPublicKey,
  matrix: IntegerMatrix,
  random: RandomSource,
): EncryptedMatrix {
  arg.checkArguments('encryptMatrix', [scheme, publicKey, matrix, random], {
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
    publicKey: arg.like('a MasterPublicKey', 'toBytes', 'kind'),
    matrix: arg.like('an IntegerMatrix', 'rows', 'columns'),
    random: arg.randomSource,
  });
  checkMatrix('a matrix', matrix);
  if (matrix.columns !== scheme.length)
    throw new ShapeError('the columns of a matrix', scheme.length, matrix.columns);
  checkBound('an entry', matrix.values, scheme.inputBound);
  const ciphertexts: InnerProductCiphertext[] = [];
  for (let from = 0; from < matrix.rows; from += scheme.packing) {
    const count = Math.min(scheme.packing, matrix.rows - from);
    ciphertexts.push(scheme.encrypt(publicKey, transposedRows(matrix, from, count), random));
  }
  return new EncryptedMatrix(matrix.rows, matrix.columns, ciphertexts);
}

/** Keys for the columns of the right matrix, [length, columns]. @throws {OutOfRangeError} {@link ShapeError} */
export function deriveMatrixKeys(
  scheme: InnerProductScheme,
  secretKey: MasterSecretKey,
  right: IntegerMatrix,
): FunctionKeys {
  arg.checkArguments('deriveMatrixKeys', [scheme, secretKey, right], {
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
    secretKey: arg.like('a MasterSecretKey', 'toBytes', 'kind'),
    right: arg.like('an IntegerMatrix', 'rows', 'columns'),
  });
  return scheme.deriveKeys(secretKey, columnsOf(scheme, right));
}

/**
 * left * right, row-major [left.rows, right.columns], exact. `keys` are those of the columns of `right`.
 * @throws {OutOfRangeError} for keys of another master key or matrix. {@link ShapeError}
 */
export function decryptProduct(
  scheme: InnerProductScheme,
  left: EncryptedMatrix,
  keys: FunctionKeys,
  right: IntegerMatrix,
): Float64Array {
  arg.checkArguments('decryptProduct', [scheme, left, keys, right], {
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
    left: arg.like('an EncryptedMatrix', 'rows', 'columns'),
    keys: arg.like('a FunctionKeys', 'rows', 'toBytes'),
    right: arg.like('an IntegerMatrix', 'rows', 'columns'),
  });
  const weights = columnsOf(scheme, right);
  const out = new Float64Array(left.rows * right.columns);
  let done = 0;
  for (const ciphertext of left.ciphertexts) {
    const part = scheme.decrypt(ciphertext, keys, weights);
    for (let key = 0; key < right.columns; key++) {
      for (let row = 0; row < ciphertext.count; row++)
        out[(done + row) * right.columns + key] = part[key * ciphertext.count + row] as number;
    }
    done += ciphertext.count;
  }
  return out;
}

function columnsOf(scheme: InnerProductScheme, right: IntegerMatrix): Int32Array {
  checkMatrix('the right matrix', right);
  if (right.rows !== scheme.length)
    throw new ShapeError('the rows of the right matrix', scheme.length, right.rows);
  return transposedRows(right, 0, right.rows);
}

printOnOneLine(EncryptedMatrix);
