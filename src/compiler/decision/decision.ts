/** What a server decides itself, so that scores never leave: plain data of programs and offers. */

/** What a client must know of it: the answer is a place among the outputs, and scores are none of its business. */
export interface DecisionTerms {
  /** `keyword`: the place of the largest mean over all samples of a query. */
  readonly kind: 'keyword';
  /** Levels that scores are rounded to; the TFHE parameters are those for as many messages. */
  readonly levels: 16;
}

/** Of a program: where its scores are quantised. */
export interface Decision extends DecisionTerms {
  /** The score at level 0. */
  readonly low: number;
  /** Scores are multiplied by this integer on the way out, which says how many of them a level is: see decision-facts.ts. */
  readonly factor: number;
}
