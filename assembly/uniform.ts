/** Uniform residues from SHAKE128 (FIPS 202), one limb or two at a time. */
import { permute, permuteTwo } from './keccak';

const RATE: usize = 168;

/** What has been squeezed and taken for one output, in memory: unread bytes, words written, then the unread bytes. */
const HAVE: usize = 0;
const DONE: usize = 8;
const STREAM: usize = 16;
const TAKER_BYTES: usize = STREAM + 256;

/** Moves residues from the stream of a taker to `out`: candidates of `bytes` bytes masked to `bits` bits, those not below q skipped. */
function takeResidues(taker: usize, out: usize, n: usize, q: u64, bits: u32): void {
  const bytes = <usize>((bits + 7) >> 3);
  const mask: u64 = ((<u64>1) << (<u64>bits)) - 1;
  let have = load<usize>(taker, HAVE) + RATE;
  let done = load<usize>(taker, DONE);
  let at = taker + STREAM;
  while (have >= bytes && done < n) {
    const candidate = load<u64>(at) & mask;
    if (candidate < q) store<u64>(out + (done++ << 3), candidate);
    at += bytes;
    have -= bytes;
  }
  // The other stream may go on: what nobody wants must not pile up.
  if (done == n) have = 0;
  memory.copy(taker + STREAM, at, have);
  store<usize>(taker, have, HAVE);
  store<usize>(taker, done, DONE);
}

/**
 * Fills n words with residues below q: candidates from SHAKE128 of the 44 bytes at `input`. The output is public. `space`: 200 bytes
 * for the state, then a taker.
 */
export function uniformResidues(out: usize, n: usize, space: usize, input: usize, q: u64, bits: u32): void {
  const taker = space + 200;
  memory.fill(space, 0, 200 + STREAM);
  memory.copy(space, input, 44);
  store<u8>(space, 0x1f, 44);
  store<u8>(space, 0x80, RATE - 1);
  while (load<usize>(taker, DONE) < n) {
    permute(space);
    memory.copy(taker + STREAM + load<usize>(taker, HAVE), space, RATE);
    takeResidues(taker, out, n, q, bits);
  }
}

/** Lane `which` of two states from 48 bytes at `input`, of which 44 count. */
function absorb(state: usize, which: usize, input: usize): void {
  store<u8>(input, 0x1f, 44);
  memory.fill(input + 45, 0, 3);
  for (let i: usize = 0; i < 6; i++) store<u64>(state + (i << 4) + (which << 3), load<u64>(input + (i << 3)));
  store<u8>(state + ((RATE - 8) << 1) + (which << 3), 0x80, 7);
}

/** {@link uniformResidues} twice, for the inputs at `input` and `input + 48`. `space`: 400 bytes for the states, then two takers. */
export function uniformResiduesTwo(
  out0: usize, out1: usize, n: usize, space: usize, input: usize, q0: u64, q1: u64, bits0: u32, bits1: u32,
): void {
  const first = space + 400;
  const second = first + TAKER_BYTES;
  memory.fill(space, 0, 400 + STREAM);
  memory.fill(second, 0, STREAM);
  absorb(space, 0, input);
  absorb(space, 1, input + 48);
  while (load<usize>(first, DONE) < n || load<usize>(second, DONE) < n) {
    permuteTwo(space);
    const to0 = first + STREAM + load<usize>(first, HAVE);
    const to1 = second + STREAM + load<usize>(second, HAVE);
    for (let i: usize = 0; i < RATE; i += 8) {
      store<u64>(to0 + i, load<u64>(space + (i << 1)));
      store<u64>(to1 + i, load<u64>(space + (i << 1), 8));
    }
    if (load<usize>(first, DONE) < n) takeResidues(first, out0, n, q0, bits0);
    if (load<usize>(second, DONE) < n) takeResidues(second, out1, n, q1, bits1);
  }
}
