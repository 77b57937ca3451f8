/** The permutation Keccak-f[1600] (FIPS 202), of one state and of two at once. */

// The iota constants, FIPS 202 section 3.2.5.
const ROUND_CONSTANTS: usize = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
  0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
  0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
  0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
]);

/** Lane (x, y) is local a(x + 5 y); theta, rho, pi, chi and iota unrolled over one round. */
export function permute(state: usize): void {
  let a0 = load<u64>(state, 0);
  let a1 = load<u64>(state, 8);
  let a2 = load<u64>(state, 16);
  let a3 = load<u64>(state, 24);
  let a4 = load<u64>(state, 32);
  let a5 = load<u64>(state, 40);
  let a6 = load<u64>(state, 48);
  let a7 = load<u64>(state, 56);
  let a8 = load<u64>(state, 64);
  let a9 = load<u64>(state, 72);
  let a10 = load<u64>(state, 80);
  let a11 = load<u64>(state, 88);
  let a12 = load<u64>(state, 96);
  let a13 = load<u64>(state, 104);
  let a14 = load<u64>(state, 112);
  let a15 = load<u64>(state, 120);
  let a16 = load<u64>(state, 128);
  let a17 = load<u64>(state, 136);
  let a18 = load<u64>(state, 144);
  let a19 = load<u64>(state, 152);
  let a20 = load<u64>(state, 160);
  let a21 = load<u64>(state, 168);
  let a22 = load<u64>(state, 176);
  let a23 = load<u64>(state, 184);
  let a24 = load<u64>(state, 192);
  for (let round: usize = 0; round < 24; round++) {
    const c0 = a0 ^ a5 ^ a10 ^ a15 ^ a20;
    const c1 = a1 ^ a6 ^ a11 ^ a16 ^ a21;
    const c2 = a2 ^ a7 ^ a12 ^ a17 ^ a22;
    const c3 = a3 ^ a8 ^ a13 ^ a18 ^ a23;
    const c4 = a4 ^ a9 ^ a14 ^ a19 ^ a24;
    const d0 = c4 ^ rotl<u64>(c1, 1);
    const d1 = c0 ^ rotl<u64>(c2, 1);
    const d2 = c1 ^ rotl<u64>(c3, 1);
    const d3 = c2 ^ rotl<u64>(c4, 1);
    const d4 = c3 ^ rotl<u64>(c0, 1);
    const b0 = a0 ^ d0;
    const b10 = rotl<u64>(a1 ^ d1, 1);
    const b20 = rotl<u64>(a2 ^ d2, 62);
    const b5 = rotl<u64>(a3 ^ d3, 28);
    const b15 = rotl<u64>(a4 ^ d4, 27);
    const b16 = rotl<u64>(a5 ^ d0, 36);
    const b1 = rotl<u64>(a6 ^ d1, 44);
    const b11 = rotl<u64>(a7 ^ d2, 6);
    const b21 = rotl<u64>(a8 ^ d3, 55);
    const b6 = rotl<u64>(a9 ^ d4, 20);
    const b7 = rotl<u64>(a10 ^ d0, 3);
    const b17 = rotl<u64>(a11 ^ d1, 10);
    const b2 = rotl<u64>(a12 ^ d2, 43);
    const b12 = rotl<u64>(a13 ^ d3, 25);
    const b22 = rotl<u64>(a14 ^ d4, 39);
    const b23 = rotl<u64>(a15 ^ d0, 41);
    const b8 = rotl<u64>(a16 ^ d1, 45);
    const b18 = rotl<u64>(a17 ^ d2, 15);
    const b3 = rotl<u64>(a18 ^ d3, 21);
    const b13 = rotl<u64>(a19 ^ d4, 8);
    const b14 = rotl<u64>(a20 ^ d0, 18);
    const b24 = rotl<u64>(a21 ^ d1, 2);
    const b9 = rotl<u64>(a22 ^ d2, 61);
    const b19 = rotl<u64>(a23 ^ d3, 56);
    const b4 = rotl<u64>(a24 ^ d4, 14);
    a0 = b0 ^ (~b1 & b2) ^ load<u64>(ROUND_CONSTANTS + (round << 3));
    a1 = b1 ^ (~b2 & b3);
    a2 = b2 ^ (~b3 & b4);
    a3 = b3 ^ (~b4 & b0);
    a4 = b4 ^ (~b0 & b1);
    a5 = b5 ^ (~b6 & b7);
    a6 = b6 ^ (~b7 & b8);
    a7 = b7 ^ (~b8 & b9);
    a8 = b8 ^ (~b9 & b5);
    a9 = b9 ^ (~b5 & b6);
    a10 = b10 ^ (~b11 & b12);
    a11 = b11 ^ (~b12 & b13);
    a12 = b12 ^ (~b13 & b14);
    a13 = b13 ^ (~b14 & b10);
    a14 = b14 ^ (~b10 & b11);
    a15 = b15 ^ (~b16 & b17);
    a16 = b16 ^ (~b17 & b18);
    a17 = b17 ^ (~b18 & b19);
    a18 = b18 ^ (~b19 & b15);
    a19 = b19 ^ (~b15 & b16);
    a20 = b20 ^ (~b21 & b22);
    a21 = b21 ^ (~b22 & b23);
    a22 = b22 ^ (~b23 & b24);
    a23 = b23 ^ (~b24 & b20);
    a24 = b24 ^ (~b20 & b21);
  }
  store<u64>(state, a0, 0);
  store<u64>(state, a1, 8);
  store<u64>(state, a2, 16);
  store<u64>(state, a3, 24);
  store<u64>(state, a4, 32);
  store<u64>(state, a5, 40);
  store<u64>(state, a6, 48);
  store<u64>(state, a7, 56);
  store<u64>(state, a8, 64);
  store<u64>(state, a9, 72);
  store<u64>(state, a10, 80);
  store<u64>(state, a11, 88);
  store<u64>(state, a12, 96);
  store<u64>(state, a13, 104);
  store<u64>(state, a14, 112);
  store<u64>(state, a15, 120);
  store<u64>(state, a16, 128);
  store<u64>(state, a17, 136);
  store<u64>(state, a18, 144);
  store<u64>(state, a19, 152);
  store<u64>(state, a20, 160);
  store<u64>(state, a21, 168);
  store<u64>(state, a22, 176);
  store<u64>(state, a23, 184);
  store<u64>(state, a24, 192);
}

// @ts-ignore: decorator
@inline
function rotateTwo(x: v128, by: i32): v128 {
  return v128.or(i64x2.shl(x, by), i64x2.shr_u(x, 64 - by));
}

/** x ^ (~y & z) */
// @ts-ignore: decorator
@inline
function chi(x: v128, y: v128, z: v128): v128 {
  return v128.xor(x, v128.andnot(z, y));
}

/** Two states side by side: lane i of both in one vector at state + 16 i. The same round as {@link permute}. */
export function permuteTwo(state: usize): void {
  let a0 = v128.load(state, 0);
  let a1 = v128.load(state, 16);
  let a2 = v128.load(state, 32);
  let a3 = v128.load(state, 48);
  let a4 = v128.load(state, 64);
  let a5 = v128.load(state, 80);
  let a6 = v128.load(state, 96);
  let a7 = v128.load(state, 112);
  let a8 = v128.load(state, 128);
  let a9 = v128.load(state, 144);
  let a10 = v128.load(state, 160);
  let a11 = v128.load(state, 176);
  let a12 = v128.load(state, 192);
  let a13 = v128.load(state, 208);
  let a14 = v128.load(state, 224);
  let a15 = v128.load(state, 240);
  let a16 = v128.load(state, 256);
  let a17 = v128.load(state, 272);
  let a18 = v128.load(state, 288);
  let a19 = v128.load(state, 304);
  let a20 = v128.load(state, 320);
  let a21 = v128.load(state, 336);
  let a22 = v128.load(state, 352);
  let a23 = v128.load(state, 368);
  let a24 = v128.load(state, 384);
  for (let round: usize = 0; round < 24; round++) {
    const c0 = v128.xor(v128.xor(v128.xor(a0, a5), v128.xor(a10, a15)), a20);
    const c1 = v128.xor(v128.xor(v128.xor(a1, a6), v128.xor(a11, a16)), a21);
    const c2 = v128.xor(v128.xor(v128.xor(a2, a7), v128.xor(a12, a17)), a22);
    const c3 = v128.xor(v128.xor(v128.xor(a3, a8), v128.xor(a13, a18)), a23);
    const c4 = v128.xor(v128.xor(v128.xor(a4, a9), v128.xor(a14, a19)), a24);
    const d0 = v128.xor(c4, rotateTwo(c1, 1));
    const d1 = v128.xor(c0, rotateTwo(c2, 1));
    const d2 = v128.xor(c1, rotateTwo(c3, 1));
    const d3 = v128.xor(c2, rotateTwo(c4, 1));
    const d4 = v128.xor(c3, rotateTwo(c0, 1));
    const b0 = v128.xor(a0, d0);
    const b10 = rotateTwo(v128.xor(a1, d1), 1);
    const b20 = rotateTwo(v128.xor(a2, d2), 62);
    const b5 = rotateTwo(v128.xor(a3, d3), 28);
    const b15 = rotateTwo(v128.xor(a4, d4), 27);
    const b16 = rotateTwo(v128.xor(a5, d0), 36);
    const b1 = rotateTwo(v128.xor(a6, d1), 44);
    const b11 = rotateTwo(v128.xor(a7, d2), 6);
    const b21 = rotateTwo(v128.xor(a8, d3), 55);
    const b6 = rotateTwo(v128.xor(a9, d4), 20);
    const b7 = rotateTwo(v128.xor(a10, d0), 3);
    const b17 = rotateTwo(v128.xor(a11, d1), 10);
    const b2 = rotateTwo(v128.xor(a12, d2), 43);
    const b12 = rotateTwo(v128.xor(a13, d3), 25);
    const b22 = rotateTwo(v128.xor(a14, d4), 39);
    const b23 = rotateTwo(v128.xor(a15, d0), 41);
    const b8 = rotateTwo(v128.xor(a16, d1), 45);
    const b18 = rotateTwo(v128.xor(a17, d2), 15);
    const b3 = rotateTwo(v128.xor(a18, d3), 21);
    const b13 = rotateTwo(v128.xor(a19, d4), 8);
    const b14 = rotateTwo(v128.xor(a20, d0), 18);
    const b24 = rotateTwo(v128.xor(a21, d1), 2);
    const b9 = rotateTwo(v128.xor(a22, d2), 61);
    const b19 = rotateTwo(v128.xor(a23, d3), 56);
    const b4 = rotateTwo(v128.xor(a24, d4), 14);
    a0 = v128.xor(chi(b0, b1, b2), v128.load64_splat(ROUND_CONSTANTS + (round << 3)));
    a1 = chi(b1, b2, b3);
    a2 = chi(b2, b3, b4);
    a3 = chi(b3, b4, b0);
    a4 = chi(b4, b0, b1);
    a5 = chi(b5, b6, b7);
    a6 = chi(b6, b7, b8);
    a7 = chi(b7, b8, b9);
    a8 = chi(b8, b9, b5);
    a9 = chi(b9, b5, b6);
    a10 = chi(b10, b11, b12);
    a11 = chi(b11, b12, b13);
    a12 = chi(b12, b13, b14);
    a13 = chi(b13, b14, b10);
    a14 = chi(b14, b10, b11);
    a15 = chi(b15, b16, b17);
    a16 = chi(b16, b17, b18);
    a17 = chi(b17, b18, b19);
    a18 = chi(b18, b19, b15);
    a19 = chi(b19, b15, b16);
    a20 = chi(b20, b21, b22);
    a21 = chi(b21, b22, b23);
    a22 = chi(b22, b23, b24);
    a23 = chi(b23, b24, b20);
    a24 = chi(b24, b20, b21);
  }
  v128.store(state, a0, 0);
  v128.store(state, a1, 16);
  v128.store(state, a2, 32);
  v128.store(state, a3, 48);
  v128.store(state, a4, 64);
  v128.store(state, a5, 80);
  v128.store(state, a6, 96);
  v128.store(state, a7, 112);
  v128.store(state, a8, 128);
  v128.store(state, a9, 144);
  v128.store(state, a10, 160);
  v128.store(state, a11, 176);
  v128.store(state, a12, 192);
  v128.store(state, a13, 208);
  v128.store(state, a14, 224);
  v128.store(state, a15, 240);
  v128.store(state, a16, 256);
  v128.store(state, a17, 272);
  v128.store(state, a18, 288);
  v128.store(state, a19, 304);
  v128.store(state, a20, 320);
  v128.store(state, a21, 336);
  v128.store(state, a22, 352);
  v128.store(state, a23, 368);
  v128.store(state, a24, 384);
}
