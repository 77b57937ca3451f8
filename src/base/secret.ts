/** What is secret and must not be printed by accident, whichever way: text, JSON and Node's console show "[secret]". */
export abstract class Secret {
  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}
