/** ChaCha20 (RFC 8439), four blocks side by side, and the samplers that read its stream. */

// "expand 32-byte k", RFC 8439 section 2.3.
const CONSTANTS: usize = memory.data<u32>([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);

// @ts-ignore: decorator
@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

/** A quarter round on four blocks at once; word i of all is the vector at space + 16 i. */
// @ts-ignore: decorator
@inline
function quarterRound(space: usize, ia: usize, ib: usize, ic: usize, id: usize): void {
  let a = v128.load(space + (ia << 4));
  let b = v128.load(space + (ib << 4));
  let c = v128.load(space + (ic << 4));
  let d = v128.load(space + (id << 4));
  a = i32x4.add(a, b);
  d = v128.xor(d, a);
  d = i8x16.shuffle(d, d, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  c = i32x4.add(c, d);
  b = rotate(v128.xor(b, c), 12);
  a = i32x4.add(a, b);
  d = v128.xor(d, a);
  d = i8x16.shuffle(d, d, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
  c = i32x4.add(c, d);
  v128.store(space + (ia << 4), a);
  v128.store(space + (ib << 4), rotate(v128.xor(b, c), 7));
  v128.store(space + (ic << 4), c);
  v128.store(space + (id << 4), d);
}

/** Word `i` of four blocks before the rounds. */
function firstWords(i: usize, key: usize, counter: u32, nonceLow: u32, nonceHigh: u32): v128 {
  if (i < 4) return i32x4.splat(load<u32>(CONSTANTS + (i << 2)));
  if (i < 12) return i32x4.splat(load<u32>(key + ((i - 4) << 2)));
  if (i == 12) return i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  return i32x4.splat(i == 13 ? nonceLow : i == 14 ? nonceHigh : 0);
}

/** `blocks` blocks of 64 bytes, a multiple of four, from the block number `counter` on; 256 bytes of space. */
export function keyStream(
  out: usize, space: usize, key: usize, counter: u32, blocks: u32, nonceLow: u32, nonceHigh: u32,
): void {
  for (let done: u32 = 0; done < blocks; done += 4) {
    const first = counter + done;
    for (let i: usize = 0; i < 16; i++) v128.store(space + (i << 4), firstWords(i, key, first, nonceLow, nonceHigh));
    for (let round = 0; round < 10; round++) {
      for (let i: usize = 0; i < 4; i++) quarterRound(space, i, i + 4, i + 8, i + 12);
      quarterRound(space, 0, 5, 10, 15);
      quarterRound(space, 1, 6, 11, 12);
      quarterRound(space, 2, 7, 8, 13);
      quarterRound(space, 3, 4, 9, 14);
    }
    for (let i: usize = 0; i < 16; i += 4) {
      const at = space + (i << 4);
      const w0 = i32x4.add(v128.load(at), firstWords(i, key, first, nonceLow, nonceHigh));
      const w1 = i32x4.add(v128.load(at, 16), firstWords(i + 1, key, first, nonceLow, nonceHigh));
      const w2 = i32x4.add(v128.load(at, 32), firstWords(i + 2, key, first, nonceLow, nonceHigh));
      const w3 = i32x4.add(v128.load(at, 48), firstWords(i + 3, key, first, nonceLow, nonceHigh));
      const low01 = i32x4.shuffle(w0, w1, 0, 4, 1, 5);
      const low23 = i32x4.shuffle(w2, w3, 0, 4, 1, 5);
      const high01 = i32x4.shuffle(w0, w1, 2, 6, 3, 7);
      const high23 = i32x4.shuffle(w2, w3, 2, 6, 3, 7);
      const to = out + (i << 2);
      v128.store(to, i64x2.shuffle(low01, low23, 0, 2));
      v128.store(to, i64x2.shuffle(low01, low23, 1, 3), 64);
      v128.store(to, i64x2.shuffle(high01, high23, 0, 2), 128);
      v128.store(to, i64x2.shuffle(high01, high23, 1, 3), 192);
    }
    out += 256;
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
