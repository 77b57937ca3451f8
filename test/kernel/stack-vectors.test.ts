/** The loops of the AVX-512 transforms keep their vectors in registers, on any machine that has the compiler. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseDisassembly, vectorLoops, vectorLoopsOf } from '../../scripts/stack-vectors.mjs';

const loop = (body: string) => `0000000000000010 <pass(unsigned long*)>:
  10:\tpush   %rbp
  11:\tmov    %rsp,%rbp
  14:\tvmovdqa64 %zmm1,-0x40(%rbp)
  20:\tvmovdqu64 (%rdi),%zmm0
${body}
  40:\tvmovdqu64 %zmm0,(%rdi)
  50:\tjb     20 <pass(unsigned long*)+0x10>
  52:\tret
`;
const onStack = (body: string) =>
  vectorLoops(parseDisassembly(loop(body))).map((found) => found.onStack.length);

describe('the reader of disassemblies', () => {
  test.each([
    ['a vector read', '  28:\tvpaddq -0x40(%rbp),%zmm0,%zmm0'],
    ['a vector written', '  28:\tvmovdqa64 %zmm0,0x80(%rsp)'],
  ])('counts %s on the stack inside a loop', (_, body) => expect(onStack(body)).toEqual([1]));

  test.each([
    ['a vector from elsewhere', '  28:\tvpaddq 0x40(%rdx),%zmm0,%zmm0'],
    ['eight bytes for all lanes', '  28:\tvpbroadcastq -0x40(%rbp),%zmm0'],
    ['the same as an operand', '  28:\tvpmadd52luq 0x8(%rsp){1to8},%zmm1,%zmm0'],
    ['a pointer', '  28:\tmov    -0x8(%rsp),%rdi'],
  ])('does not count %s', (_, body) => expect(onStack(body)).toEqual([0]));

  test('leaves the general register rbp alone', () => {
    const text = loop('  28:\tvpaddq 0x40(%rbp),%zmm0,%zmm0').replace('  11:\tmov    %rsp,%rbp\n', '');
    expect(vectorLoops(parseDisassembly(text))[0]?.onStack).toEqual([]);
  });
});

test.each(['ntt_avx512', 'ring_avx512'])('%s keeps its vectors in registers', (stem) => {
  const object = fileURLToPath(new URL(`../../build/obj/${stem}.o`, import.meta.url));
  const loops = existsSync(object) ? vectorLoopsOf(object) : null;
  if (loops === null) return void process.stdout.write('left out: needs the built addon and objdump\n');
  expect(loops.length).toBeGreaterThan(10);
  expect(loops.filter((found) => found.onStack.length > 0)).toEqual([]);
});
