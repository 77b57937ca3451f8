// Finds the innermost loops of a disassembly that read or write whole 512-bit vectors on the stack: arrays or constants
// that the compiler did not keep in registers.
import { spawnSync } from 'node:child_process';

const FUNCTION = /^[0-9a-f]+ <(.*)>:$/;
const INSTRUCTION = /^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$/;
const TARGET = /^([0-9a-f]+)\b/;

/** The functions of `objdump -d --no-show-raw-insn` in AT&T syntax: name and instructions { address, name, operands }. */
export function parseDisassembly(text) {
  const functions = [];
  for (const line of text.split('\n')) {
    const heading = FUNCTION.exec(line);
    if (heading) functions.push({ name: heading[1], instructions: [] });
    const parts = INSTRUCTION.exec(line);
    if (parts && functions.length > 0)
      functions.at(-1).instructions.push({
        address: Number.parseInt(parts[1], 16),
        name: parts[2],
        operands: parts[3].replace(/\s+#.*$/, ''),
      });
  }
  return functions;
}

/** [first, last] index of every loop that contains no other, found by its jump back. */
function innermostLoops(instructions) {
  const at = new Map(instructions.map(({ address }, i) => [address, i]));
  const loops = [];
  instructions.forEach(({ name, operands }, last) => {
    const first = name.startsWith('j')
      ? at.get(Number.parseInt(TARGET.exec(operands)?.[1] ?? '', 16))
      : undefined;
    if (first !== undefined && first <= last) loops.push([first, last]);
  });
  return loops.filter(([a, b]) => !loops.some(([c, d]) => (c !== a || d !== b) && c >= a && d <= b));
}

/**
 * The loops over 512-bit vectors, each with the instructions that move a whole vector from or to the stack. A broadcast reads
 * eight bytes and does not count; the frame pointer counts where it is one.
 */
export function vectorLoops(functions) {
  return functions.flatMap(({ name, instructions }) => {
    const isFrame = instructions.some(({ name: op, operands }) => op === 'mov' && operands === '%rsp,%rbp');
    const stack = isFrame ? /\(%r[sb]p\b/ : /\(%rsp\b/;
    return innermostLoops(instructions)
      .map(([first, last]) => instructions.slice(first, last + 1))
      .filter((body) => body.some(({ operands }) => operands.includes('%zmm')))
      .map((body) => ({
        name,
        length: body.length,
        onStack: body.filter(
          ({ name: op, operands }) =>
            operands.includes('%zmm') &&
            stack.test(operands) &&
            !op.includes('broadcast') &&
            !operands.includes('{1to'),
        ),
      }));
  });
}

/** The vector loops of an object file, or null where objdump is missing. */
export function vectorLoopsOf(object) {
  const { status, stdout } = spawnSync('objdump', ['-d', '-C', '--no-show-raw-insn', object], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return status === 0 ? vectorLoops(parseDisassembly(stdout)) : null;
}
