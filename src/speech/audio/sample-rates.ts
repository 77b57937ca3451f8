/** Sample rates outside this interval (Hz) are taken for damage, not for audio. */
export const MIN_SAMPLE_RATE = 1000;
export const MAX_SAMPLE_RATE = 768_000;
