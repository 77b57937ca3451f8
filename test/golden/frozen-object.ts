/** One object as it was written by a former version. */
export interface FrozenObject {
  /** Of the file: kind and version of its format. */
  readonly name: string;
  readonly make: () => Uint8Array | Promise<Uint8Array>;
  readonly roundTrip: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** The file of today's format that one of a former version is written to once it was read. */
  readonly writtenAs?: string;
}
