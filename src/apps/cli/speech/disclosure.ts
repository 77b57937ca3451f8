/** Who learns what, in the words that every command about encrypted inference prints. */
import type { Offer } from '../../../compiler/offer.ts';
import { plural, wrapText } from '../terminal/table.ts';

export const WHO_LEARNS_WHAT = `
Who learns what:
  client   the scores of the network for its own audio, and the words it makes of them;
           the model's shape; with very many questions it could rebuild the model from scores
  server   who asks (a random token), when, which model, and the length of the audio up to
           a fixed bucket; not the audio, not the features, not the scores, not the words
  network  sizes and times; outside this machine only TLS is accepted
The server is trusted to answer, not to keep a secret. It can answer wrongly; it cannot see what it computes on.
`;

/** The demo's last two sentences. `samples` are frames per second. */
export function serverKnowledge(
  asked: readonly { readonly offer: Offer; readonly requests: number; readonly buckets: readonly number[] }[],
  frameRate: number,
): string {
  const parts = asked.map(({ offer, requests, buckets }) => {
    const sizes = [...new Set(buckets)].map((block) => `${(block / frameRate).toFixed(1)} s`).join(' or ');
    return `${plural(requests, 'recording')} for the model "${offer.model}", each at most ${sizes} long`;
  });
  return [
    `The server learned that somebody with a random token sent ${parts.join(' and ')}, and when.`,
    'It did not learn the audio, the features, the scores or the words: it held only ciphertexts, and the one key that opens them never left this process.',
  ]
    .map((sentence) => wrapText(sentence, 98))
    .join('\n');
}
