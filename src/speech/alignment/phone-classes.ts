/** Classes of phones that change their neighbours in like ways: what the trees of tied states may ask about a neighbour. */
import { WORD_EDGE } from '../decoding/state-inventory.ts';
import { PHONES } from '../language/lexicon.ts';

const CLASSES = [
  'AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW',
  'B D G K P T',
  'B D G',
  'K P T',
  'CH DH F JH S SH TH V Z ZH HH',
  'CH JH S SH Z ZH',
  'M N NG',
  'L R W Y',
  'B P M F V W',
  'D T N S Z L R',
  'K G NG',
  'CH JH SH ZH Y',
  'AE EH EY IH IY',
  'AA AO OW UH UW OY',
  'IH IY UH UW',
  'AA AE AO AW AY',
  'AO OW UH UW OY W',
  'ER R',
  'AW AY EY OW OY',
  'B D G V DH Z ZH JH M N NG L R W Y',
  'K P T F TH S SH CH HH',
  'IY EY AY OY Y',
  'TH DH F V',
  'AH IH UH',
];

/** Sets of neighbours, the edge of a word and every phone alone among them. */
export const NEIGHBOUR_CLASSES: readonly ReadonlySet<string>[] = [
  new Set([WORD_EDGE]),
  ...CLASSES.map((phones) => new Set(phones.split(' '))),
  ...PHONES.map((phone) => new Set([phone])),
];
