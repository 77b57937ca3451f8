/** Nominal types for numbers and bytes that could be swapped for one another without anything failing. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Active primes minus one: 0 means that one prime is left. */
export type Level = Brand<number, 'Level'>;
/** The fixed-point factor itself, not its logarithm; > 0. */
export type Scale = Brand<number, 'Scale'>;
/** Odd, in [1, 2N): the automorphism X -> X^g. */
export type GaloisElement = Brand<number, 'GaloisElement'>;
/** SHA-256 of the canonical parameter bytes, in hex. */
export type ParamsId = Brand<string, 'ParamsId'>;
/** 32 bytes from the CSPRNG. */
export type Seed = Brand<Uint8Array, 'Seed'>;
