/** A second of a tone to log-mel features, as the recogniser sees it; `readWav` takes the bytes of any WAV file. */
import { logMelFeatures, readWav, writeWav } from 'subrosa/speech';

const samples = Float32Array.from({ length: 8000 }, (_, i) => Math.sin((2 * Math.PI * 440 * i) / 8000) / 2);
const clip = readWav(writeWav({ samples, rate: 8000 }));
const { frames, dim } = logMelFeatures(clip.samples, clip.rate);
console.log(frames, dim); // 98 40
