/** What a trainer is given, against what its program says. */
import { ShapeError } from '../../base/errors.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import type { CkksContextBase } from '../../schemes/ckks/context-base.ts';

/** @throws {ShapeError} unless there are as many ciphertexts as the program has. */
export function assertCount(what: string, given: readonly CkksCiphertext[], count: number): void {
  if (given.length !== count) throw new ShapeError(what, `${count} ciphertexts`, given.length);
}

/** @throws {ParamsMismatchError} {@link ShapeError} unless each is fresh: two parts at this level and the default scale. */
export function assertFresh(
  context: CkksContextBase,
  what: string,
  given: readonly CkksCiphertext[],
  expected: number,
): void {
  for (const { level, scale, parts, count, paramsId } of given) {
    context.assertOwn(what, { paramsId });
    if (level !== expected || scale !== context.params.defaultScale || parts !== 2 || count !== 1)
      throw new ShapeError(what, `at level ${expected} and the default scale`, 'something else');
  }
}
