/** Authority and trainer of the page of a data owner. */
import { expect, test, vi } from 'vitest';
import { TrainingDesk } from '../../../src/apps/web/index.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { LatticeInnerProduct } from '../../../src/fe/lattice/scheme.ts';

test('makes keys when they are first asked for: the server does not wait for them', async () => {
  using kernel = await openKernel();
  const setUp = vi.spyOn(LatticeInnerProduct.prototype, 'setup').mockImplementation(() => {
    throw new Error('keys are made');
  });
  try {
    using desk = new TrainingDesk(kernel);
    expect(desk.spec.projection?.rank).toBe(32);
    expect(setUp).not.toHaveBeenCalled();
    expect(() => desk.publicKey).toThrow('keys are made');
  } finally {
    setUp.mockRestore();
  }
});
