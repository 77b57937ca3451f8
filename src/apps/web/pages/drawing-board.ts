/** A canvas to draw on with mouse, pen, finger or keyboard. Keeps strokes, not pixels. */
import { mnistDrawing, SIDE, type Stroke, type StrokePoint } from './mnist-drawing.ts';

/** Units of the paper, whatever its size on the screen. */
export const PAPER = 100;
const PEN_WIDTH = 7;
/** One press of an arrow key, and with shift. */
const [STEP, LARGE_STEP] = [3, 9];
const ARROWS: Readonly<Record<string, StrokePoint>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export interface BoardEvents {
  /** The drawing changed; null when the paper is empty. */
  readonly onChange: (pixels: Uint8Array | null) => void;
  /** The pen was lifted. */
  readonly onLift: () => void;
  /** Enter was pressed. */
  readonly onEnter: () => void;
}

export class DrawingBoard {
  readonly #canvas: HTMLCanvasElement;
  readonly #events: BoardEvents;
  readonly #strokes: StrokePoint[][] = [];
  #pen: StrokePoint = [PAPER / 2, PAPER / 4];
  #isDown = false;
  #hasKeyboardPen = false;

  constructor(canvas: HTMLCanvasElement, events: BoardEvents) {
    this.#canvas = canvas;
    this.#events = events;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      this.#hasKeyboardPen = false;
      this.#begin(this.#at(event));
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!this.#isDown || this.#hasKeyboardPen) return;
      // Browsers hand over what happened since the last picture at once; those that know of nothing between give an empty list.
      const between = event.getCoalescedEvents?.() ?? [];
      this.#move((between.length > 0 ? between : [event]).map((each) => this.#at(each)));
    });
    for (const name of ['pointerup', 'pointercancel'] as const)
      canvas.addEventListener(name, () => !this.#hasKeyboardPen && this.#lift());
    canvas.addEventListener('keydown', (event) => this.#key(event));
    canvas.addEventListener('blur', () => {
      this.#hasKeyboardPen = false;
      this.#lift();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#paint());
    this.#paint();
  }

  /** The picture as the network takes it, or null when there is none. */
  get pixels(): Uint8Array | null {
    return mnistDrawing(this.#strokes);
  }

  clear(): void {
    this.#isDown = false;
    this.#strokes.length = 0;
    this.#changed();
  }

  /** Takes strokes on a paper of {@link PAPER} units. */
  show(strokes: readonly Stroke[]): void {
    this.clear();
    this.#strokes.push(...strokes.map((stroke) => [...stroke]));
    this.#changed();
  }

  #at({ clientX, clientY }: PointerEvent): StrokePoint {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [(PAPER * (clientX - left)) / width, (PAPER * (clientY - top)) / height];
  }

  #begin(point: StrokePoint): void {
    this.#isDown = true;
    this.#strokes.push([point]);
    this.#changed();
  }

  #move(points: readonly StrokePoint[]): void {
    this.#strokes.at(-1)?.push(...points);
    this.#changed();
  }

  #lift(): void {
    if (!this.#isDown) return;
    this.#isDown = false;
    this.#paint();
    this.#events.onLift();
  }

  #key(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (arrow === undefined && ![' ', 'Enter', 'Escape'].includes(event.key)) return;
    event.preventDefault();
    if (event.key === 'Enter') return this.#events.onEnter();
    if (event.key === 'Escape') return this.clear();
    this.#hasKeyboardPen = true;
    if (event.key === ' ') {
      if (this.#isDown) this.#lift();
      else this.#begin(this.#pen);
    }
    if (arrow !== undefined) {
      const step = event.shiftKey ? LARGE_STEP : STEP;
      const moved = (value: number, by: number) => Math.max(0, Math.min(PAPER, value + by * step));
      this.#pen = [moved(this.#pen[0], arrow[0]), moved(this.#pen[1], arrow[1])];
      if (this.#isDown) this.#move([this.#pen]);
    }
    this.#paint();
  }

  #changed(): void {
    this.#paint();
    this.#events.onChange(this.pixels);
  }

  #paint(): void {
    const canvas = this.#canvas;
    const context = canvas.getContext('2d');
    if (context === null) return;
    const unit = canvas.width / PAPER;
    const { color } = getComputedStyle(canvas);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(unit, 0, 0, unit, 0, 0);
    Object.assign(context, { lineWidth: PEN_WIDTH, lineCap: 'round', lineJoin: 'round' });
    Object.assign(context, { strokeStyle: color, fillStyle: color });
    for (const stroke of this.#strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo(x, y);
      const [x, y] = stroke[0] as StrokePoint;
      if (stroke.length === 1) context.lineTo(x + 0.01, y);
      context.stroke();
    }
    if (!this.#hasKeyboardPen) return;
    context.beginPath();
    context.arc(this.#pen[0], this.#pen[1], PEN_WIDTH / 2, 0, 2 * Math.PI);
    Object.assign(context, { lineWidth: 1 });
    if (this.#isDown) context.fill();
    else context.stroke();
  }
}

/** The picture as it is encrypted, light on dark. */
export function paintPreview(
  canvas: HTMLCanvasElement,
  pixels: Uint8Array | null,
  label = 'Your drawing in 28 x 28 pixels',
): void {
  const image = new ImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const value = pixels?.[i] ?? 0;
    image.data.set([value, value, value, 255], 4 * i);
  }
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  canvas.setAttribute('aria-label', pixels === null ? 'Nothing drawn yet' : label);
}
