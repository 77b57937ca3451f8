/** What every server of ours is to whoever starts it. Names no library, so that declarations that use it need none. */
export interface RunningServer {
  readonly url: string;
  /** Where the metrics are, with `metricsPort`. */
  readonly metricsUrl?: string;
  /** Takes no new connections, lets running evaluations finish within the grace period, then ends. */
  close(): Promise<void>;
}

/** PEM. */
export interface TlsFiles {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}
