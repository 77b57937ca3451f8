/** What `connect` takes and gives: the same in Node, in a page and in a worker. */
import type { TimedStep } from '../transport/wire.ts';

/** In the order in which they come; `upload` counts bytes, the others go from 0 to 1. */
export type ClientPhase = 'offer' | 'keygen' | 'upload' | 'encrypt' | 'wait' | 'decrypt';

export interface ClientProgress {
  readonly phase: ClientPhase;
  readonly done: number;
  readonly total: number;
}

/** A body that went over the wire, as a witness sees it. */
export interface ClientTraffic {
  readonly what: 'keys' | 'query' | 'reply';
  readonly direction: 'up' | 'down';
  readonly bytes: number;
  /** Its first {@link TRAFFIC_HEAD} bytes. */
  readonly head: Uint8Array;
}

export const TRAFFIC_HEAD = 64;

export interface ConnectOptions {
  /** Which of the server's models; needed when there are several. */
  readonly model?: string;
  /**
   * 32 bytes, or these in base64url: whoever has them may use and delete the keys. Default: random ones, which are kept with the keys.
   * For servers that know their clients by token.
   */
  readonly token?: Uint8Array | string;
  readonly onProgress?: (progress: ClientProgress) => void;
  /** Told of every body that was sent or received. */
  readonly onTraffic?: (traffic: ClientTraffic) => void;
  /** Ends connecting, not what comes after. */
  readonly signal?: AbortSignal;
  /**
   * Where keys rest between sessions. `kept` (the default in browsers): in IndexedDB, sealed under a key that no program can read out;
   * where there is none, keys end with the session and `warnings` says why. `session`: in memory alone.
   */
  readonly keys?: 'kept' | 'session';
  /** Permits plain HTTP to another machine. */
  readonly insecure?: boolean;
  /** An attempt ends when nothing has moved for so long. Default 120,000. */
  readonly timeoutMs?: number;
  /** Attempts after the first. Default: 10 while the server is absent, and as many as ten minutes allow while it is busy. */
  readonly retries?: number;
  /** Outside Node: the folder of the WebAssembly modules, for pages whose bundler leaves them behind. */
  readonly kernelFolder?: string;
  /** Where no WebAssembly is compiled at run time: a compiled module, see {@link WebKernelOptions.module}. Not for pages. */
  readonly kernelModule?: WebAssembly.Module;
  /**
   * In a page: makes the worker, for bundlers that do not follow `new Worker(new URL(...))`. Its program is
   * `import 'subrosa/client-worker'`.
   */
  readonly worker?: () => Worker;
}

/** What a model takes and gives, from its offer. */
export interface OfferDescription {
  readonly model: string;
  /** Numbers per sample. */
  readonly inputs: number;
  /** Scores per sample. */
  readonly outputs: number;
  /** Inputs are moved into this interval. */
  readonly interval: readonly [low: number, high: number];
  /** Of one query; `inferMany` sends several queries for more. */
  readonly maxSamples: number;
  /** Expected standard deviation of a score's error, in score units. */
  readonly error: number;
  /** Scores over the training data. */
  readonly range: readonly [low: number, high: number];
  readonly security: {
    readonly bits: 128;
    readonly ringDegree: number;
    readonly modulusBits: number;
  };
  readonly bytes: {
    /** Uploaded once. */
    readonly keys: number;
    /** By the size of the query: the smallest that holds the samples is taken. */
    readonly queries: readonly { readonly samples: number; readonly bytes: number }[];
  };
  /** What the server learns, sentence by sentence, and what it does not. */
  readonly learns: readonly string[];
  readonly hidden: readonly string[];
}

/** What one answer cost. Times in milliseconds. */
export interface InferenceStats {
  readonly encryptMs: number;
  readonly uploadMs: number;
  readonly queueMs: number;
  readonly evaluateMs: number;
  /** Of the evaluation, by the server's clock. */
  readonly steps: readonly TimedStep[];
  readonly downloadMs: number;
  readonly decryptMs: number;
  readonly totalMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface InferenceResult {
  /** Scores, row-major [samples, outputs]. For the owner of the key alone. */
  readonly output: Float32Array;
  /** The place of the largest score of each sample. */
  readonly labels: readonly number[];
  /** The first of {@link labels}. */
  readonly label: number;
  readonly stats: InferenceStats;
  readonly warnings: readonly string[];
}

export interface InferOptions {
  readonly signal?: AbortSignal;
}

/** A model of a server, with keys of one's own. */
export interface ConnectedModel extends Disposable {
  readonly describes: OfferDescription;
  /** How the keys came about. */
  readonly keys: KeyOrigin;
  /** What is not as it should be, for a person: keys that cannot be kept, a slower kernel. */
  readonly warnings: readonly string[];
  /**
   * Encrypts one query, has it evaluated, decrypts. `inputs`: row-major [samples, inputs], one sample or more.
   * @throws {ShapeError | LimitError} for inputs of another size, {@link TransportError | ProtocolError | QueryBudgetError}, the
   * signal's reason, {@link DecodeError} for a reply that does not open: do not tell the server.
   */
  infer(inputs: ArrayLike<number>, options?: InferOptions): Promise<InferenceResult>;
  /**
   * The same for many samples, as many in one query as it holds; one result per sample, with the stats of its query. Everything is sent
   * before anything is opened.
   */
  inferMany(samples: readonly ArrayLike<number>[], options?: InferOptions): Promise<InferenceResult[]>;
  /** Drops the keys here and on the server. The model cannot be asked afterwards. */
  forget(): Promise<void>;
}

export interface KeyOrigin {
  readonly source: 'made' | 'kept';
  /** Making the secret and, when they were uploaded, the evaluation keys. */
  readonly keygenMs: number;
  /** Zero when the server had the keys. */
  readonly bytes: number;
  readonly uploadMs: number;
}
