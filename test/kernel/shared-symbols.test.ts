/** No code of one instruction set runs on processors that lack it. */
import { expect, test } from 'vitest';
import { mergedNames, misplacedCode, sharedNames, startupCode } from '../../scripts/shared-symbols.mjs';

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

test('code that runs when an object is loaded is found where it has flags', () => {
  const flags = new Map(Object.entries({ ring_avx2: '-mavx2', addon: '' }));
  const line = (stem: string) => `obj/${stem}.o:0000000000000010 t _GLOBAL__sub_I_${stem}.cpp\n`;
  expect(startupCode(line('ring_avx2') + line('addon'), flags)).toEqual(['ring_avx2']);
});

test('the addon has neither', () => {
  const found = misplacedCode(process.arch);
  if (found === null) return void process.stdout.write('left out: needs the built addon and nm\n');
  expect(found).toEqual({ shared: [], startup: [] });
});
