/** The two recognition tasks of this package. */
export type SpeechTask = 'digits' | 'sentences';

export const SPEECH_TASKS: readonly SpeechTask[] = ['digits', 'sentences'];
