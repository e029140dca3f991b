// Drawing with the keyboard: a cursor that arrows move, a pen that Space puts down, shortcuts.

const STEP = 0.02;
const FINE = 0.004;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Keyboard {
  #paper;
  #mark;
  #say;
  #held = new Set();
  #x = 0.5;
  #y = 0.5;
  #down = false;

  constructor(canvas, mark, paper, say) {
    this.#paper = paper;
    this.#mark = mark;
    this.#say = say;
    canvas.addEventListener("keydown", (event) => this.#pressed(event));
    canvas.addEventListener("keyup", (event) => this.#held.delete(event.key));
    canvas.addEventListener("pointerdown", () => this.#away());
    canvas.addEventListener("blur", () => this.#away());
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (WAYS[event.key]) this.#held.add(event.key);
    else if (event.key !== " " && event.key !== "Escape") return;
    else if (event.repeat) return event.preventDefault();
    event.preventDefault();
    if (event.key === " ") this.#toggle();
    else if (event.key === "Escape") this.#lift();
    else this.#go(event.shiftKey ? FINE : STEP);
    this.#show();
  }

  #go(step) {
    for (const key of this.#held) {
      this.#x = Math.min(1, Math.max(0, this.#x + WAYS[key][0] * step));
      this.#y = Math.min(1, Math.max(0, this.#y + WAYS[key][1] * step));
    }
    if (this.#down) this.#paper.extend(this.#x, this.#y);
  }

  #toggle() {
    if (this.#down) return this.#lift();
    this.#down = this.#paper.begin(this.#x, this.#y);
    if (this.#down) this.#say("Pen down");
  }

  #lift() {
    if (!this.#down) return;
    this.#down = false;
    this.#paper.end();
    this.#say("Pen up");
  }

  #away() {
    this.#lift();
    this.#held.clear();
    this.#mark.hidden = true;
  }

  #show() {
    this.#mark.hidden = false;
    this.#mark.style.left = `${this.#x * 100}%`;
    this.#mark.style.top = `${this.#y * 100}%`;
    this.#mark.classList.toggle("down", this.#down);
  }
}

/** Undo and redo from anywhere; letters only where the paper has the focus. */
export function shortcuts(canvas, act) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const name = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : null;
    if (!name) return;
    event.preventDefault();
    act(name);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = { p: "pen", e: "eraser", "[": "thinner", "]": "thicker" }[event.key.toLowerCase()];
    if (name) act(name);
  });
}
