/** Put in the place of `Symbol.dispose` by the bundler: some browsers do not have it yet. */
export const symbolDispose: symbol =
  (Symbol as { readonly dispose?: symbol }).dispose ?? Symbol.for('Symbol.dispose');
