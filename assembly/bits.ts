/** Packs words to a fixed number of bits, 1 to 64, least significant first. Branches depend on positions only. */

// @ts-ignore: decorator
@inline
function maskOf(bits: u64): u64 {
  return bits == 64 ? ~(<u64>0) : ((<u64>1) << bits) - 1;
}

/** Writes ceil(count * bits / 8) bytes. */
export function packBits(out: usize, words: usize, count: usize, bits: u64): void {
  const mask = maskOf(bits);
  let pending: u64 = 0;
  let filled: u64 = 0; // below 64
  for (let i: usize = 0; i < count << 3; i += 8) {
    const w = load<u64>(words + i) & mask;
    pending |= w << filled;
    if (filled + bits >= 64) {
      store<u64>(out, pending);
      out += 8;
      pending = filled ? w >> (64 - filled) : 0;
      filled = filled + bits - 64;
    } else {
      filled += bits;
    }
  }
  for (let left: u64 = 0; left < filled; left += 8) store<u8>(out + <usize>(left >> 3), <u8>(pending >> left));
}

/** Reads up to 15 bytes beyond the packed ones. */
export function unpackBits(out: usize, bytes: usize, count: usize, bits: u64): void {
  const mask = maskOf(bits);
  let position: u64 = 0;
  for (let i: usize = 0; i < count << 3; i += 8) {
    const at = bytes + <usize>(position >> 3);
    const shift = position & 7;
    // Two shifts, for shift = 0.
    const high = (load<u64>(at, 8) << 1) << (63 - shift);
    store<u64>(out + i, ((load<u64>(at) >> shift) | high) & mask);
    position += bits;
  }
}
