/** Sound from the microphone as the browser has it: nothing is filtered, and nothing leaves the page. */

export interface Recorded {
  readonly samples: Float32Array;
  /** Hz. */
  readonly rate: number;
}

export interface MicrophoneStream {
  /** Hz; the microphone's own where it is left out. */
  readonly rate?: number;
  /** Gets the sound as it comes. */
  readonly onSamples?: (samples: Float32Array) => void;
}

/** What is told of a microphone that was not given. */
export function microphoneError(error: unknown): Error {
  const { name } = error as Error;
  if (name === 'NotAllowedError')
    return new Error('The browser was told not to give this page the microphone.');
  return name === 'NotFoundError'
    ? new Error('There is no microphone here; a file works too.')
    : (error as Error);
}

/** Why there is no microphone, or null. */
export function microphoneMissing(): string | null {
  if (!isSecureContext)
    return 'The microphone needs https, or an address of this machine; a file works here too.';
  const isThere =
    navigator.mediaDevices?.getUserMedia !== undefined && typeof AudioWorkletNode !== 'undefined';
  return isThere ? null : 'This browser has no microphone for pages; a file works here too.';
}

export class MicrophoneRecording {
  readonly #stream: MediaStream;
  readonly #context: AudioContext;
  readonly #blocks: Float32Array[] = [];

  private constructor(stream: MediaStream, context: AudioContext) {
    this.#stream = stream;
    this.#context = context;
  }

  /**
   * Asks for permission and begins. `onLevel` is told the loudness of each block, 0 to 1; with `onSamples` nothing is kept.
   * @throws {DOMException} when it is refused.
   */
  static async begin(
    onLevel: (level: number) => void,
    { rate, onSamples }: MicrophoneStream = {},
  ): Promise<MicrophoneRecording> {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    const context = new AudioContext(rate === undefined ? {} : { sampleRate: rate });
    const recording = new MicrophoneRecording(stream, context);
    try {
      await context.audioWorklet.addModule('/assets/recorder-worklet.js');
      const node = new AudioWorkletNode(context, 'recorder', { numberOfOutputs: 0 });
      node.port.addEventListener('message', ({ data }: MessageEvent<Float32Array>) => {
        onLevel(Math.max(...data.map(Math.abs)));
        if (onSamples === undefined) recording.#blocks.push(data);
        else onSamples(data);
      });
      node.port.start();
      context.createMediaStreamSource(stream).connect(node);
      return recording;
    } catch (error) {
      await recording.end();
      throw error;
    }
  }

  async end(): Promise<Recorded> {
    for (const track of this.#stream.getTracks()) track.stop();
    const rate = this.#context.sampleRate;
    await this.#context.close();
    const samples = new Float32Array(this.#blocks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const block of this.#blocks) {
      samples.set(block, at);
      at += block.length;
    }
    return { samples, rate };
  }
}

/** What the browser's own decoder makes of a file that ours do not read. @throws {DOMException} */
export async function decodedByBrowser(file: ArrayBuffer): Promise<Recorded> {
  const rate = 16_000;
  const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(file);
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const own = buffer.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i]! += own[i]! / buffer.numberOfChannels;
  }
  return { samples, rate };
}
