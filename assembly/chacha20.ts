/** ChaCha20 (RFC 8439), one block in four vectors, and the samplers that read its stream. */

// @ts-ignore: decorator
@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

/** `blocks` blocks of 64 bytes from the block number `counter` on. */
export function keyStream(out: usize, key: usize, counter: u32, blocks: u32, nonceLow: u32, nonceHigh: u32): void {
  const constants = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);
  const keyLow = v128.load(key);
  const keyHigh = v128.load(key, 16);
  for (let block: u32 = 0; block < blocks; block++) {
    const tail = i32x4(counter + block, nonceLow, nonceHigh, 0);
    let a = constants, b = keyLow, c = keyHigh, d = tail;
    for (let round = 0; round < 20; round++) {
      a = i32x4.add(a, b);
      d = v128.xor(d, a);
      d = i8x16.shuffle(d, d, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
      c = i32x4.add(c, d);
      b = rotate(v128.xor(b, c), 12);
      a = i32x4.add(a, b);
      d = v128.xor(d, a);
      d = i8x16.shuffle(d, d, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
      c = i32x4.add(c, d);
      b = rotate(v128.xor(b, c), 7);
      // Columns to diagonals after an even round, and back after an odd one.
      if (round & 1) {
        b = i32x4.shuffle(b, b, 3, 0, 1, 2);
        d = i32x4.shuffle(d, d, 1, 2, 3, 0);
      } else {
        b = i32x4.shuffle(b, b, 1, 2, 3, 0);
        d = i32x4.shuffle(d, d, 3, 0, 1, 2);
      }
      c = i32x4.shuffle(c, c, 2, 3, 0, 1);
    }
    v128.store(out, i32x4.add(a, constants));
    v128.store(out, i32x4.add(b, keyLow), 16);
    v128.store(out, i32x4.add(c, keyHigh), 32);
    v128.store(out, i32x4.add(d, tail), 48);
    out += 64;
  }
}

/** Six stream bytes per value; reads two bytes beyond the last. */
export function centredBinomial(out: usize, stream: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    const v = load<u64>(stream + 6 * i);
    store<i8>(out + i, <i8>(popcnt<u64>(v & 0x1fffff) - popcnt<u64>((v >> 21) & 0x1fffff)));
  }
}

/** Values from `bytes` stream bytes behind the `done` that are there; returns how many are there now, at most `count`. */
export function ternary(out: usize, stream: usize, bytes: usize, done: usize, count: usize): usize {
  for (let i: usize = 0; i < bytes; i++) {
    const byte = <u32>load<u8>(stream + i);
    for (let shift: u32 = 0; shift < 8 && done < count; shift += 2) {
      const bits = (byte >> shift) & 3;
      // Always written; kept unless it is 3.
      store<i8>(out + done, <i8>bits - 1);
      done += <usize>(bits != 3);
    }
  }
  return done;
}

/** Eight stream bytes per value. */
export function uniformSigned(out: usize, stream: usize, count: usize, bits: u32): void {
  const mask: u64 = ((<u64>2) << (<u64>bits)) - 1;
  const offset = <i64>((<u64>1) << (<u64>bits));
  for (let i: usize = 0; i < count << 3; i += 8) {
    store<f64>(out + i, <f64>(<i64>(load<u64>(stream + i) & mask) - offset));
  }
}
