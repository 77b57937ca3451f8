/** No function of one instruction set stands for that of another in the linked addon. */
import { expect, test } from 'vitest';
import { mergedNames, sharedNames, sharedSymbols } from '../../scripts/shared-symbols.mjs';

test('names that a linker merges are found where flags differ', () => {
  const merged = mergedNames(`obj/ring_scalar.o:0000000000000000 W loop<long>(unsigned long*)
obj/ring_avx512.o:0000000000000040 W loop<long>(unsigned long*)
obj/ring_avx512.o:0000000000000010 T other()
obj/ring_scalar.o:0000000000000010 T other()
`);
  const names = (flags: string) =>
    sharedNames(merged, new Map(Object.entries({ ring_scalar: '', ring_avx512: flags })));
  expect(names('-mavx512f')).toEqual([['loop<long>(unsigned long*)', ['ring_scalar', 'ring_avx512']]]);
  expect(names('')).toEqual([]);
});

test('the addon has none', () => {
  const found = sharedSymbols(process.arch);
  if (found === null) return void process.stdout.write('left out: needs the built addon and nm\n');
  expect(found).toEqual([]);
});
