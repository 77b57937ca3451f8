/**
 * Every error that this package throws on purpose: one class per code, with structured details.
 *
 * Messages say what was needed and what was there. Details never hold a key, a clear value, a decrypted value
 * or a noise figure. A mistake inside the package (an impossible branch) is a plain assertion instead.
 */
export type ErrorCode =
  | 'invalid-params'
  | 'insecure-params'
  | 'params-mismatch'
  | 'level-exhausted'
  | 'noise-budget'
  | 'scale-mismatch'
  | 'overflow'
  | 'precision'
  | 'type'
  | 'missing-key'
  | 'shape'
  | 'range'
  | 'unsupported-op'
  | 'decode'
  | 'audio'
  | 'data'
  | 'protocol'
  | 'refused'
  | 'rolled-back'
  | 'release'
  | 'integrity'
  | 'transport'
  | 'key-file'
  | 'file'
  | 'limit'
  | 'query-budget'
  | 'divergent-reply'
  | 'disposed'
  | 'kernel'
  | 'usage';

export abstract class SubrosaError<D extends object = object> extends Error {
  /** The class's own name, written out: minifiers rename classes. */
  abstract override readonly name: string;
  abstract readonly code: ErrorCode;
  readonly details: Readonly<D>;
  constructor(message: string, details: D, options?: ErrorOptions) {
    super(message, options);
    this.details = Object.freeze(details);
  }
}

/** A parameter set that cannot work: not about security, about arithmetic. */
export class InvalidParamsError extends SubrosaError<object> {
  override readonly name = 'InvalidParamsError';
  readonly code = 'invalid-params';
}

/** A parameter set below 128 bits. */
export class InsecureParamsError extends SubrosaError<{ logN: number; logQP: number; ceiling: number }> {
  override readonly name = 'InsecureParamsError';
  readonly code = 'insecure-params';
  constructor(logN: number, logQP: number, ceiling: number) {
    super(
      `ring degree 2^${logN} is 128-bit secure up to log2(QP) = ${ceiling}, all primes counted; these parameters have ${logQP.toFixed(1)}`,
      { logN, logQP, ceiling },
    );
  }
}

/** Two objects that belong to different parameter sets met. */
export class ParamsMismatchError extends SubrosaError<{ needed: string; got: string }> {
  override readonly name = 'ParamsMismatchError';
  readonly code = 'params-mismatch';
  constructor(what: string, needed: string, got: string) {
    super(`${what} belongs to parameters ${got.slice(0, 12)}, but ${needed.slice(0, 12)} are in use`, {
      needed,
      got,
    });
  }
}

/** A ciphertext has fewer levels left than the operation consumes. */
export class LevelExhaustedError extends SubrosaError<{ op: string; level: number; needed: number }> {
  override readonly name = 'LevelExhaustedError';
  readonly code = 'level-exhausted';
  constructor(op: string, level: number, needed: number) {
    super(`${op} needs ${needed} level(s) but the ciphertext has ${level}`, { op, level, needed });
  }
}

/** The noise bound of a result would leave no room for an exact decryption; nothing wrong was computed. */
export class NoiseBudgetError extends SubrosaError<{ op: string; level: number; missingBits: number }> {
  override readonly name = 'NoiseBudgetError';
  readonly code = 'noise-budget';
  constructor(op: string, level: number, missingBits: number) {
    super(
      `${op} at level ${level} needs ${missingBits} more bits of modulus than there are; switch down before products, or choose parameters for more depth`,
      { op, level, missingBits },
    );
  }
}

/** Two operands whose scales differ by more than rounding. */
export class ScaleMismatchError extends SubrosaError<{ op: string; left: number; right: number }> {
  override readonly name = 'ScaleMismatchError';
  readonly code = 'scale-mismatch';
  constructor(op: string, left: number, right: number) {
    const [a, b] = distinctDigits(Math.log2(left), Math.log2(right));
    super(
      `${op} needs equal scales but got 2^${a} and 2^${b}; evaluator.align(a, b) brings two ciphertexts to one level and scale, ` +
        'a plaintext is encoded with { level, scale } of the ciphertext',
      { op, left, right },
    );
  }
}

/** Both with as many digits as it takes to tell them apart, three at least. */
function distinctDigits(a: number, b: number): [string, string] {
  let digits = 3;
  while (digits < 12 && a.toFixed(digits) === b.toFixed(digits)) digits++;
  return [a.toFixed(digits), b.toFixed(digits)];
}

/** Values up to the bound that the operands carry would wrap around the modulus; nothing wrong was computed. */
export class MessageOverflowError extends SubrosaError<{ op: string; level: number; missingBits: number }> {
  override readonly name = 'MessageOverflowError';
  readonly code = 'overflow';
  constructor(op: string, level: number, missingBits: number) {
    super(
      `the result of ${op} at level ${level} needs ${missingBits} more bit(s) of modulus than there are: rescale products before the ` +
        'next one, work at a higher level or with smaller values, or declare what you know of the values (evaluator.declareMaxAbs)',
      { op, level, missingBits },
    );
  }
}

/** The rounding of a rescaling would be larger than every value; nothing wrong was computed. */
export class PrecisionLostError extends SubrosaError<{ op: string; scaleBits: number; neededBits: number }> {
  override readonly name = 'PrecisionLostError';
  readonly code = 'precision';
  constructor(op: string, scaleBits: number, neededBits: number) {
    super(
      `${op} would leave a scale of 2^${scaleBits.toFixed(1)}, where its rounding is larger than the values; 2^${neededBits.toFixed(1)} ` +
        'is the least: rescale once after each product, not more often',
      { op, scaleBits, neededBits },
    );
  }
}

/** An argument of another kind than the method takes, a mistake that TypeScript would have found. */
export class ArgumentTypeError extends SubrosaError<{ what: string; needed: string; got: string }> {
  override readonly name = 'ArgumentTypeError';
  readonly code = 'type';
  constructor(what: string, needed: string, got: string) {
    super(`${what} must be ${needed} but is ${got}`, { what, needed, got });
  }
}

/** The evaluation keys at hand do not contain the one that the operation needs. */
export class MissingKeyError extends SubrosaError<{ key: string }> {
  override readonly name = 'MissingKeyError';
  readonly code = 'missing-key';
  constructor(key: string) {
    super(`the evaluation keys lack ${key}`, { key });
  }
}

/** A tensor, polynomial or buffer of the wrong shape. */
export class ShapeError extends SubrosaError<{ what: string; needed: string; got: string }> {
  override readonly name = 'ShapeError';
  readonly code = 'shape';
  constructor(what: string, needed: string | number, got: string | number) {
    super(`${what} must be ${needed} but is ${got}`, { what, needed: String(needed), got: String(got) });
  }
}

/** A number outside the interval it must lie in. */
export class OutOfRangeError extends SubrosaError<{ what: string; needed: string; got: string }> {
  override readonly name = 'OutOfRangeError';
  readonly code = 'range';
  constructor(what: string, needed: string, got: string | number) {
    super(`${what} must be ${needed} but is ${got}`, { what, needed, got: String(got) });
  }
}

/** A model with operations that cannot be compiled; names all of them. */
export class UnsupportedOpError extends SubrosaError<{
  ops: readonly string[];
  remedies: readonly string[];
}> {
  override readonly name = 'UnsupportedOpError';
  readonly code = 'unsupported-op';
  /** `remedies`: what would work instead, tried. */
  constructor(ops: readonly string[], remedies: readonly string[] = []) {
    const instead = remedies.length === 0 ? '' : `. This would work: ${remedies.join('; ')}`;
    super(`cannot compile: ${ops.join('; ')}${instead}`, { ops, remedies });
  }
}

/** Bytes that are not what they should be. `what` names the wire type, `reason` the first rule that failed. */
export class DecodeError extends SubrosaError<{ what: string; reason: string }> {
  override readonly name = 'DecodeError';
  readonly code = 'decode';
  constructor(what: string, reason: string) {
    super(`${what}: ${reason}`, { what, reason });
  }
}

/** An audio file that cannot be used. */
export class AudioError extends SubrosaError<{ reason: string; convertible: boolean }> {
  override readonly name = 'AudioError';
  readonly code = 'audio';
  /** `convertible`: it is audio, of a kind that is not read here but that a converter makes WAV of. */
  constructor(reason: string, convertible = false) {
    super(reason, { reason, convertible });
  }
}

/** A data set on disk that is missing or not laid out as documented. */
export class DataError extends SubrosaError<{ reason: string }> {
  override readonly name = 'DataError';
  readonly code = 'data';
  constructor(reason: string) {
    super(reason, { reason });
  }
}

/** A message that the protocol does not allow here. */
export class ProtocolError extends SubrosaError<{ reason: string }> {
  override readonly name = 'ProtocolError';
  readonly code = 'protocol';
  constructor(reason: string) {
    super(reason, { reason });
  }
}

/** Which edge returned a wrong result; null where that cannot be told. */
export type LyingEdge = 'a' | 'b' | 'both' | null;

/** An outsourced layer came back wrong. Says nothing about which element, by how much, or which check noticed. */
export class IntegrityError extends SubrosaError<{ layer: number; edge: LyingEdge }> {
  override readonly name = 'IntegrityError';
  readonly code = 'integrity';
  constructor(layer: number, edge: LyingEdge) {
    const who = edge === null ? 'one of the edges' : edge === 'both' ? 'both edges' : `edge ${edge}`;
    super(`${who} returned a wrong result for layer ${layer}; the inference is abandoned`, { layer, edge });
  }
}

/** The other side is absent, slow or went away. `retryable` speaks of the transport alone, never of a content. */
export class TransportError extends SubrosaError<{ reason: string; retryable: boolean }> {
  override readonly name = 'TransportError';
  readonly code = 'transport';
  constructor(reason: string, retryable: boolean, options?: ErrorOptions) {
    super(reason, { reason, retryable }, options);
  }
}

/** The key file cannot be read, opened or written. */
export class KeyFileError extends SubrosaError<{ reason: string }> {
  override readonly name = 'KeyFileError';
  readonly code = 'key-file';
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, { reason }, options);
  }
}

/** A file that the system did not write. `system` is its own code, for example ENOSPC for a full disk. */
export class FileWriteError extends SubrosaError<{ path: string; system: string }> {
  override readonly name = 'FileWriteError';
  readonly code = 'file';
  constructor(path: string, system: string, reason: string, options?: ErrorOptions) {
    super(`cannot write ${path} (${system}): ${reason}`, { path, system }, options);
  }
}

/** Something is larger than the limit that was set for it. */
export class LimitError extends SubrosaError<{ what: string; limit: string; got: string }> {
  override readonly name = 'LimitError';
  readonly code = 'limit';
  constructor(what: string, limit: string | number, got: string | number) {
    super(`${what} is ${got}, over the limit of ${limit}`, { what, limit: String(limit), got: String(got) });
  }
}

/** A set of keys has had all the answers that the server gives to one. */
export class QueryBudgetError extends SubrosaError<object> {
  override readonly name = 'QueryBudgetError';
  readonly code = 'query-budget';
  constructor() {
    super('these keys have used up the number of queries that the server answers', {});
  }
}

/**
 * Two evaluations of one query gave different results. Their masks are the same, so together they would show how the results came about:
 * neither may be given out any more. Different builds, or a fault of memory.
 */
export class DivergentReplyError extends SubrosaError<object> {
  override readonly name = 'DivergentReplyError';
  readonly code = 'divergent-reply';
  constructor() {
    super(
      'this query was answered before with another result: memory may be faulty, or another build runs under the same secret',
      {},
    );
  }
}

/** Use after dispose. */
export class DisposedError extends SubrosaError<{ what: string }> {
  override readonly name = 'DisposedError';
  readonly code = 'disposed';
  constructor(what: string) {
    super(`${what} was used after it was disposed`, { what });
  }
}

/** The kernel cannot be loaded, failed its self-test, or could not allocate. */
export class KernelError extends SubrosaError<{ kernel: string; reason: string }> {
  override readonly name = 'KernelError';
  readonly code = 'kernel';
  constructor(kernel: string, reason: string, options?: ErrorOptions) {
    super(`${kernel} kernel: ${reason}`, { kernel, reason }, options);
  }
}

/** A command line that makes no sense. */
export class UsageError extends SubrosaError<{ reason: string }> {
  override readonly name = 'UsageError';
  readonly code = 'usage';
  constructor(reason: string) {
    super(reason, { reason });
  }
}

/** Why an authority does not issue a function key. */
export type RefusalReason =
  | 'unknown-dataset'
  | 'closed'
  | 'wrong-length'
  | 'out-of-bound'
  | 'isolates-coordinates'
  | 'outside-span'
  | 'over-budget';

/** The authority's policy forbids what was asked for. The request was logged. */
export class KeyRefusedError extends SubrosaError<{ reason: RefusalReason; explanation: string }> {
  override readonly name = 'KeyRefusedError';
  readonly code = 'refused';
  constructor(reason: RefusalReason, explanation: string) {
    super(`the authority refuses: ${explanation}`, { reason, explanation });
  }
}

/** A log ends before an entry that somebody has seen: its state was rolled back, or replaced. */
export class RolledBackError extends SubrosaError<{ entry: number }> {
  override readonly name = 'RolledBackError';
  readonly code = 'rolled-back';
  constructor(entry: number) {
    super(`the log was rolled back or replaced: entry ${entry} was seen before and is not in it`, { entry });
  }
}

/** Why a decrypted result is not published. */
export type ReleaseRefusal =
  | 'precision'
  | 'modulus'
  | 'budget'
  | 'terms'
  | 'foreign-input'
  | 'foreign-keys'
  | 'not-the-circuit'
  | 'unvouched';

/**
 * A result is not published: it would tell something about the secret key, or nothing about the result. Follows from public facts
 * alone, but for an input of the owner's own that is larger than was declared.
 */
export class ReleaseRefusedError extends SubrosaError<{
  reason: ReleaseRefusal;
  /** Bits of precision that were asked for, and that are possible; 0 where the reason is another. */
  neededBits: number;
  possibleBits: number;
}> {
  override readonly name = 'ReleaseRefusedError';
  readonly code = 'release';
  constructor(reason: ReleaseRefusal, explanation: string, neededBits = 0, possibleBits = 0) {
    super(explanation, { reason, neededBits, possibleBits });
  }
}
