/** The ChaCha20 key stream of RFC 8439, sections 2.1 to 2.4, written for reading. */

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function quarterRound(s: Uint32Array, a: number, b: number, c: number, d: number): void {
  s[a] += s[b];
  s[d] = rotateLeft(s[d] ^ s[a], 16);
  s[c] += s[d];
  s[b] = rotateLeft(s[b] ^ s[c], 12);
  s[a] += s[b];
  s[d] = rotateLeft(s[d] ^ s[a], 8);
  s[c] += s[d];
  s[b] = rotateLeft(s[b] ^ s[c], 7);
}

function block(initial: Uint32Array): Uint32Array {
  const s = Uint32Array.from(initial);
  for (let round = 0; round < 20; round += 2) {
    for (let i = 0; i < 4; i++) quarterRound(s, i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarterRound(s, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  return s.map((word, i) => word + initial[i]);
}

/**
 * Key stream bytes from block 0 on: 32-byte key, 96-bit little-endian nonce. Returns a reader of successive bytes.
 * Add, rotate and xor only, so the time does not depend on the key.
 */
export function chacha20Stream(key: Uint8Array, nonce: number): (length: number) => Uint8Array {
  const keyWords = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const state = new Uint32Array(16);
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) state[4 + i] = keyWords.getUint32(4 * i, true);
  state[13] = nonce % 2 ** 32;
  state[14] = Math.floor(nonce / 2 ** 32);

  const buffer = new Uint8Array(64);
  const view = new DataView(buffer.buffer);
  let used = 64;
  return (length) => {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      if (used === 64) {
        block(state).forEach((word, j) => {
          view.setUint32(4 * j, word, true);
        });
        state[12]++;
        used = 0;
      }
      out[i] = buffer[used++];
    }
    return out;
  };
}
