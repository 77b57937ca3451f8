/** The paper of a page that reads digits, with its preview and its buttons: asks when the pen rests, at the button and at Enter. */
import { DrawingBoard, paintPreview } from './drawing-board.ts';
import { byId } from './elements.ts';
import { SAMPLE_DIGITS } from './sample-digits.ts';
import { showDigitScores } from './score-bars.ts';

/** After the pen was lifted: somebody may only be moving it. */
const PAUSE_MS = 900;

export class AskPanel {
  readonly #button = byId<HTMLButtonElement>('ask');
  readonly #board: DrawingBoard;
  readonly #ask: (pixels: Uint8Array) => void;
  #isOpen = false;
  #pause: ReturnType<typeof setTimeout> | undefined;
  #nextSample = 0;

  /** `ask` gets a drawing, once {@link AskPanel.open} was called. */
  constructor(ask: (pixels: Uint8Array) => void) {
    this.#ask = ask;
    const preview = byId<HTMLCanvasElement>('preview');
    this.#board = new DrawingBoard(byId<HTMLCanvasElement>('paper'), {
      onChange: (pixels) => {
        clearTimeout(this.#pause);
        paintPreview(preview, pixels);
        this.#enable(pixels);
      },
      onLift: () => {
        this.#pause = setTimeout(() => this.#send(), PAUSE_MS);
      },
      onEnter: () => this.#send(),
    });
    this.#button.addEventListener('click', () => this.#send());
    byId('clear').addEventListener('click', () => {
      this.#board.clear();
      showDigitScores(null);
    });
    byId('sample').addEventListener('click', () => {
      this.#board.show(SAMPLE_DIGITS[this.#nextSample] ?? []);
      this.#nextSample = (this.#nextSample + 1) % SAMPLE_DIGITS.length;
      this.#send();
    });
    showDigitScores(null);
    paintPreview(preview, null);
  }

  /** There is somebody to ask from now on. */
  open(): void {
    this.#isOpen = true;
    this.#enable(this.#board.pixels);
  }

  #enable(pixels: Uint8Array | null): void {
    this.#button.disabled = pixels === null || !this.#isOpen;
  }

  #send(): void {
    clearTimeout(this.#pause);
    const { pixels } = this.#board;
    if (pixels !== null && this.#isOpen) this.#ask(pixels);
  }
}
