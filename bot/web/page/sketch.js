// The drawing as lines: what was drawn, undone, done again, cleared. Knows no pixel and no screen.
//
// Points are [x, y, pressure, milliseconds since the first point]; the paper is 1 wide and 1 high.

const MOST_POINTS = 40000; // these two as the server's own bounds
const MOST_STROKES = 4000;
const CLEARED = { cleared: true };

export class Sketch {
  #done = [];
  #undone = [];
  #started = null;

  /** What is to be seen: the lines since the paper was last cleared. */
  get strokes() {
    return this.#done.slice(this.#done.lastIndexOf(CLEARED) + 1);
  }

  get empty() {
    return !this.strokes.some((stroke) => stroke.tool === "pen");
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Whether no other line may be begun. */
  get full() {
    return this.fullOfPoints || this.strokes.length >= MOST_STROKES;
  }

  /** Whether even the line that is being drawn may not go on. */
  get fullOfPoints() {
    const points = this.strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
    return points >= MOST_POINTS;
  }

  /** Begin a line; add points to what is returned as long as it is drawn. */
  begin(tool, width) {
    const stroke = { tool, width, points: [] };
    this.#done.push(stroke);
    this.#undone = [];
    return stroke;
  }

  add(stroke, x, y, pressure, now) {
    this.#started ??= now;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    const point = [
      Number(within(x, -0.5, 1.5).toFixed(4)),
      Number(within(y, -0.5, 1.5).toFixed(4)),
      Number(within(pressure, 0, 1).toFixed(3)),
      Math.round(within(now - this.#started, 0, 86_400_000)),
    ];
    stroke.points.push(point);
  }

  /** Take back a line that is being drawn, as if it had not been begun. */
  cancel(stroke) {
    this.#done = this.#done.filter((other) => other !== stroke);
  }

  undo() {
    if (this.canUndo) this.#undone.push(this.#done.pop());
  }

  redo() {
    if (this.canRedo) this.#done.push(this.#undone.pop());
  }

  clear() {
    this.#done.push(CLEARED);
    this.#undone = [];
  }

  /** The lines as they are kept and sent. */
  plain() {
    return { version: 1, strokes: this.strokes };
  }

  /** Go on with lines that were kept. */
  load(plain) {
    this.#done = plain.strokes;
    this.#undone = [];
    const last = plain.strokes.at(-1)?.points.at(-1)?.[3] ?? 0;
    this.#started = performance.now() - last;
  }
}
