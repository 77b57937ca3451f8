/** The owner's side of the estimator by categories: it encrypts its rows, and it alone can open the choice of columns and the weights. */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { DataError } from '../../../base/errors.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
import type { SecretKey } from '../../../schemes/rlwe/keys/secret-key.ts';
import { assertTable, type LabelledTable, rowCount } from '../labelled-table.ts';
import { assertBinary, type CategoryModel } from './category-clear.ts';
import type { CategoryProgram } from './category-program.ts';

export class CategoryOwner {
  readonly program: CategoryProgram;
  #context: CkksContext;
  #secret: SecretKey;

  /** Key and context are borrowed. @throws {ParamsMismatchError} */
  constructor(context: CkksContext, program: CategoryProgram, secret: SecretKey) {
    arg.checkArguments('new CategoryOwner', [context, program, secret], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a CategoryProgram', 'layout', 'spec'),
      secret: arg.like('a SecretKey', 'exportSecretBytes', 'toJSON'),
    });
    context.assertOwn('a training program', { paramsId: program.params.id });
    context.assertOwn('a secret key', secret);
    this.program = program;
    this.#context = context;
    this.#secret = secret;
  }

  /** @throws {DataError} when the table is not the program's, or has other values than 0 and 1. */
  assertFits(table: LabelledTable): void {
    assertTable(table);
    assertBinary(table);
    const { rows, features } = this.program.spec;
    if (rowCount(table) !== rows || table.columns.length !== features)
      throw new DataError(
        `the program is for ${rows} rows of ${features} columns, not ${rowCount(table)} of ${table.columns.length}`,
      );
  }

  /** x + i y of every value x with its row's label y, then 1 + i y of every row where categories are counted. @throws {DataError} */
  encrypt(table: LabelledTable, arena: Arena): CkksCiphertext[] {
    this.assertFits(table);
    const { layout, topLevel, labelLevel } = this.program;
    const { slots, width, height, ciphertexts } = layout;
    const columns = table.columns.length;
    const n = rowCount(table);
    const encoder = this.#context.encoder(arena);
    using encryptor = this.#context.encryptor(this.#secret, arena);
    const encrypted = (level: number, fill: (re: Float64Array, im: Float64Array) => void): CkksCiphertext => {
      const [re, im] = [new Float64Array(slots), new Float64Array(slots)];
      fill(re, im);
      using plaintext = encoder.encode(re, { level, imaginary: im });
      for (const values of [re, im]) values.fill(0);
      return encryptor.encrypt(plaintext);
    };
    const rows = Array.from({ length: ciphertexts }, (_, c) =>
      encrypted(topLevel, (re, im) => {
        for (let row = c * height; row < Math.min(n, (c + 1) * height); row++) {
          const at = (row - c * height) * width;
          re.set(table.values.subarray(row * columns, (row + 1) * columns), at);
          im.fill(table.labels[row]!, at, at + columns);
        }
      }),
    );
    const labels = encrypted(labelLevel, (re, im) => {
      for (let slot = 0; slot < slots; slot++) {
        const row = layout.packedAt(layout.column(slot)).c * height + layout.row(slot);
        if (row >= n) continue;
        re[slot] = 1;
        im[slot] = table.labels[row]!;
      }
    });
    return [...rows, labels];
  }

  /** The chosen columns and their weights, for the owner's own use: not to be handed on. @throws {ParamsMismatchError} */
  open(result: CkksCiphertext): Pick<CategoryModel, 'columns' | 'weights'> {
    using arena = this.#context.arena();
    const plaintext = this.#context.decryptor(this.#secret, arena).decrypt(result);
    const values = this.#context.encoder(arena).decode(plaintext);
    const { layout, spec } = this.program;
    const { width, order } = layout;
    const columns = Array.from({ length: spec.chosen }, (_, r) => Math.abs(Math.round(values[r * width]!)));
    const weight = (i: number): number => values[i * order + order - 1]!;
    return { columns, weights: [weight(spec.chosen), ...columns.map((_, r) => weight(r))] };
  }
}

printOnOneLine(CategoryOwner);
arg.guard('CategoryOwner', CategoryOwner.prototype, {
  encrypt: {
    table: arg.like('a LabelledTable', 'columns', 'values'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  assertFits: { table: arg.like('a LabelledTable', 'columns', 'values') },
  open: { result: arg.like('a CkksCiphertext', 'toBytes', 'at') },
});
