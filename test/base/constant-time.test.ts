import { expect, test } from 'vitest';
import { constantTimeEqual } from '../../src/base/constant-time.ts';

test('equal bytes are equal; one bit, another length or nothing at all are not', () => {
  const tag = Uint8Array.of(1, 2, 3, 255);
  expect(constantTimeEqual(tag, tag.slice())).toBe(true);
  expect(constantTimeEqual(new Uint8Array(), new Uint8Array())).toBe(true);
  for (let i = 0; i < tag.length; i++) {
    const changed = tag.map((byte, at) => (at === i ? byte ^ 0x80 : byte));
    expect(constantTimeEqual(tag, changed)).toBe(false);
  }
  // A missing byte must not count as zero.
  expect(constantTimeEqual(Uint8Array.of(7, 0), Uint8Array.of(7))).toBe(false);
  expect(constantTimeEqual(Uint8Array.of(7), Uint8Array.of(7, 0))).toBe(false);
  expect(constantTimeEqual(tag, new Uint8Array())).toBe(false);
});
