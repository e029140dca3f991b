// The paper: lines become ink on a canvas, and pens, fingers and mice become lines.

const SENT_SIDE = 720; // pixels of the picture that is matched and posted
const NEAREST = 0.0012; // points closer together than this say nothing new
const INK = "#111";
const PAPER = "#fff";
let unseen = null; // the canvas that what is sent is drawn on

/** Draw a part of a line, smooth through the middles between its points. */
function drawStroke(context, side, stroke, from = 0) {
  const { points, width, tool } = stroke;
  context.strokeStyle = context.fillStyle = tool === "pen" ? INK : PAPER;
  context.lineCap = context.lineJoin = "round";
  const thick = (pressure) => Math.max(1, side * width * (0.4 + 1.2 * pressure));
  if (points.length === 1) {
    const [x, y, pressure] = points[0];
    context.beginPath();
    context.arc(x * side, y * side, thick(pressure) / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  const middle = (a, b) => [((a[0] + b[0]) / 2) * side, ((a[1] + b[1]) / 2) * side];
  for (let i = Math.max(1, from); i < points.length; i++) {
    const [before, here] = [points[i - 1], points[i]];
    const start = i > 1 ? middle(points[i - 2], before) : [before[0] * side, before[1] * side];
    context.beginPath();
    context.moveTo(...start);
    context.quadraticCurveTo(before[0] * side, before[1] * side, ...middle(before, here));
    if (i === points.length - 1) context.lineTo(here[0] * side, here[1] * side);
    context.lineWidth = thick((before[2] + here[2]) / 2);
    context.stroke();
  }
}

function drawAll(canvas, sketch) {
  const context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const stroke of sketch.strokes) drawStroke(context, canvas.width, stroke);
}

/** The drawing as the server wants it: a PNG, black on white, in base64. */
export function picture(sketch) {
  const canvas = (unseen ??= document.createElement("canvas"));
  if (canvas.width !== SENT_SIDE) {
    canvas.width = canvas.height = SENT_SIDE;
    canvas.getContext("2d", { willReadFrequently: true }); // kept where it can be read at once
  }
  drawAll(canvas, sketch);
  return canvas.toDataURL("image/png").split(",")[1];
}

export class Paper {
  #canvas;
  #sketch;
  #choice; // () => ({ tool, width })
  #changed; // called when a line is finished
  #began; // called when one is begun
  #stroke = null;
  #pointer = null;
  #lastPenAt = -Infinity;
  locked = true;

  constructor(canvas, sketch, choice, { began, changed }) {
    this.#canvas = canvas;
    this.#sketch = sketch;
    this.#choice = choice;
    this.#began = began;
    this.#changed = changed;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  get drawing() {
    return this.#stroke !== null;
  }

  redraw() {
    const side = Math.round(this.#canvas.clientWidth * (window.devicePixelRatio || 1));
    if (side === 0) return;
    // Setting a size, even the same, clears a canvas.
    if (this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
    drawAll(this.#canvas, this.#sketch);
  }

  /** Begin a line at a place on the paper, 0 to 1; also the keyboard does. */
  begin(x, y, pressure = 0.5) {
    if (this.locked || this.#sketch.full) return false;
    const { tool, width } = this.#choice();
    this.#stroke = this.#sketch.begin(tool, width);
    this.#began();
    this.extend(x, y, pressure);
    return true;
  }

  extend(x, y, pressure = 0.5, now = performance.now()) {
    if (!this.#stroke) return;
    const points = this.#stroke.points;
    const last = points.at(-1);
    if (last && Math.hypot(x - last[0], y - last[1]) < NEAREST) return;
    if (this.#sketch.fullOfPoints) return;
    this.#sketch.add(this.#stroke, x, y, pressure, now);
    const from = Math.max(0, points.length - 2);
    drawStroke(this.#canvas.getContext("2d"), this.#canvas.width, this.#stroke, from);
  }

  end() {
    if (!this.#stroke) return;
    this.#stroke = null;
    this.redraw(); // as it will always look: piece by piece, its joints were a little rough
    this.#changed();
  }

  #down(event) {
    if (event.pointerType === "pen") this.#lastPenAt = performance.now();
    const palm = event.pointerType === "touch" && performance.now() - this.#lastPenAt < 1000;
    if (this.#stroke || event.button > 0 || palm) return;
    if (!this.begin(...this.#place(event))) return;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
  }

  #move(event) {
    if (event.pointerType === "pen") this.#lastPenAt = performance.now(); // hovering, too
    if (!this.#stroke || event.pointerId !== this.#pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const part of all.length ? all : [event]) this.extend(...this.#place(part), part.timeStamp);
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.end();
  }

  /** The system took the finger for a gesture of its own: that was no line. */
  #cancel(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#sketch.cancel(this.#stroke);
    this.#stroke = null;
    this.redraw();
    this.#changed();
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    const pen = event.pointerType === "pen";
    return [
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
      pen && event.pressure > 0 ? event.pressure : 0.5, // mice and fingers say nothing of theirs
    ];
  }
}
