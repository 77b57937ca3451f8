/** Looks for plaintext in what went over a wire, in every form in which a program might have sent it by mistake. */

/** A run of this many values, or bytes of a secret, is no accident in what is random. */
const RUN = 16;
/** Runs with fewer different values, such as an empty margin, say nothing. */
const LEAST_VARIETY = 6;

/** Needles, all searched in one pass. */
export class Canaries {
  readonly #byStart = new Map<number, Buffer[]>();
  /** Which first two bytes a needle has: most places of a wire are passed over by this alone. */
  readonly #firsts = new Uint8Array(2 ** 16);

  /** Numbers from 0 to 1, as bytes, floats and text, raw, in hex and in base64. */
  addValues(values: readonly number[]): void {
    for (let at = 0; at + RUN <= values.length; at += RUN / 2) {
      const run = values.slice(at, at + RUN);
      if (new Set(run).size < LEAST_VARIETY) continue;
      const bytes = Uint8Array.from(run, (value) => Math.round(255 * value));
      const floats = [Float32Array.from(run), Float64Array.from(run)].map(({ buffer }) =>
        Buffer.from(buffer),
      );
      const texts = [run.map(Math.fround), run].map((numbers) => Buffer.from(numbers.join(',')));
      for (const form of [Buffer.from(bytes), ...floats, ...texts]) this.#addRun(form);
    }
  }

  /** Every run of a secret. */
  addBytes(secret: Uint8Array): void {
    for (let at = 0; at + RUN <= secret.length; at += RUN)
      this.#addRun(Buffer.from(secret.subarray(at, at + RUN)));
  }

  foundIn(wire: Buffer): boolean {
    for (let at = 0; at + 4 <= wire.length; at++) {
      if (this.#firsts[wire.readUInt16LE(at)] === 0) continue;
      const needles = this.#byStart.get(wire.readUInt32LE(at));
      if (needles?.some((needle) => wire.subarray(at, at + needle.length).equals(needle)) === true)
        return true;
    }
    return false;
  }

  /** Base64 of a run begins at any of three places. */
  #addRun(run: Buffer): void {
    const base64 = [0, 1, 2].map((skip) =>
      run.subarray(skip, skip + 3 * Math.floor((run.length - skip) / 3)).toString('base64'),
    );
    for (const form of [run, ...[run.toString('hex'), ...base64].map((text) => Buffer.from(text))]) {
      const start = form.readUInt32LE(0);
      this.#firsts[form.readUInt16LE(0)] = 1;
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), form]);
    }
  }
}
