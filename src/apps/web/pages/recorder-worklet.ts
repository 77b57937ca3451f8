/** Runs where a browser processes sound: hands every block of samples to the page, the mean of all channels. */

/** What there is of an AudioWorklet's global scope here. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, kind: typeof AudioWorkletProcessor): void;

class Recorder extends AudioWorkletProcessor {
  process([channels = []]: Float32Array[][]): boolean {
    const [first] = channels;
    if (first === undefined) return true;
    const mean = first.map(
      (_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length,
    );
    this.port.postMessage(mean, [mean.buffer]);
    return true;
  }
}

registerProcessor('recorder', Recorder);
