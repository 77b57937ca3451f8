/** What an offer says of an exact program beside the rest. */
export interface ExactTerms {
  /** Plaintext moduli: values are exact below half of their product. A query is one message for each of them. */
  readonly moduli: readonly number[];
  /** Real interval to which the client clips inputs before it rounds them to integers: integer = value times inputScale. */
  readonly inputRange: readonly [low: number, high: number];
  /** Level at which replies travel. */
  readonly replyLevel: number;
  /** Bits of statistical security with which a reply hides how it came about. */
  readonly hiding: number;
}
