/** The tokens of one frame, in parallel arrays, unique in (place, language-model state) through an open hash table. */

/** Bins of the histogram that turns a limit on tokens into a threshold on scores. */
const BINS = 256;

export class TokenSet {
  count = 0;
  /** Node * statesPerUnit + position. */
  place = new Int32Array(4096);
  /** The acoustic state of that place. */
  state = new Uint16Array(4096);
  lm = new Int32Array(4096);
  score = new Float64Array(4096);
  /** The last finished word of the path, -1 for none. */
  trace = new Int32Array(4096);
  /** The frame in which the path entered its present word. */
  entry = new Int32Array(4096);
  #best = Number.NEGATIVE_INFINITY;
  #beam = 0;
  #acousticScale = 1;
  #acoustics: Float32Array = new Float32Array(0);
  readonly #tying: Uint16Array;
  /** Token index + 1, 0 for free; twice as large as the token arrays. */
  #table = new Int32Array(8192);

  /** `tying`: which acoustic score is that of a state. */
  constructor(tying: Uint16Array) {
    this.#tying = tying;
  }

  /** Empties the set for a frame with these acoustic scores, one per network output. */
  begin(acoustics: Float32Array, options: { readonly beam: number; readonly acousticScale: number }): void {
    this.count = 0;
    this.#best = Number.NEGATIVE_INFINITY;
    this.#beam = options.beam;
    this.#acousticScale = options.acousticScale;
    this.#acoustics = acoustics;
    this.#table.fill(0);
  }

  /** Takes a path that enters `place` with `score`, unless a better one stands there or the beam excludes it. */
  offer(place: number, state: number, lm: number, score: number, trace: number, entry: number): void {
    score += this.#acousticScale * this.#acoustics[this.#tying[state]];
    if (score > this.#best) this.#best = score;
    else if (!(score >= this.#best - this.#beam)) return;
    const mask = this.#table.length - 1;
    let slot = (Math.imul(place, 0x9e3779b1) ^ Math.imul(lm, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    for (;;) {
      const known = this.#table[slot] - 1;
      if (known < 0) break;
      if (this.place[known] === place && this.lm[known] === lm) {
        if (score > this.score[known]) {
          this.score[known] = score;
          this.trace[known] = trace;
          this.entry[known] = entry;
        }
        return;
      }
      slot = (slot + 1) & mask;
    }
    const i = this.count++;
    this.#table[slot] = i + 1;
    this.place[i] = place;
    this.state[i] = state;
    this.lm[i] = lm;
    this.score[i] = score;
    this.trace[i] = trace;
    this.entry[i] = entry;
    if (this.count === this.place.length) this.#grow();
  }

  /** The score below which tokens are dropped: the beam, or higher when over `limit` tokens would remain. */
  threshold(limit: number): number {
    const lowest = this.#best - this.#beam;
    if (this.count <= limit) return lowest;
    const histogram = new Int32Array(BINS + 1);
    const width = this.#beam / BINS;
    for (let i = 0; i < this.count; i++) {
      const below = this.#best - this.score[i];
      if (below <= this.#beam) histogram[Math.floor(below / width)]++;
    }
    let kept = 0;
    for (let bin = 0; bin <= BINS; bin++) {
      kept += histogram[bin];
      // The first bin always stays, or one frame of equal scores would end the search.
      if (kept > limit) return Math.max(lowest, this.#best - Math.max(1, bin) * width);
    }
    return lowest;
  }

  #grow(): void {
    const size = this.place.length * 2;
    const widened = <T extends Int32Array | Uint16Array | Float64Array>(old: T, wider: T): T => {
      wider.set(old);
      return wider;
    };
    this.place = widened(this.place, new Int32Array(size));
    this.state = widened(this.state, new Uint16Array(size));
    this.lm = widened(this.lm, new Int32Array(size));
    this.score = widened(this.score, new Float64Array(size));
    this.trace = widened(this.trace, new Int32Array(size));
    this.entry = widened(this.entry, new Int32Array(size));
    this.#table = new Int32Array(size * 2);
    const mask = this.#table.length - 1;
    for (let i = 0; i < this.count; i++) {
      let slot = (Math.imul(this.place[i], 0x9e3779b1) ^ Math.imul(this.lm[i], 0x85ebca6b)) >>> 0;
      slot = (slot ^ (slot >>> 15)) & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = i + 1;
    }
  }
}
