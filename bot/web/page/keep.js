// An unfinished drawing survives a reload, and a link that grew too old: it is kept in this browser
// for its member until it is posted. This tab's own comes first; two tabs draw two things.

export class Keep {
  #key;

  constructor(name) {
    this.#key = `drawing:${name}`;
  }

  save(sketch) {
    const text = JSON.stringify(sketch.plain());
    for (const store of [sessionStorage, localStorage]) {
      try {
        store.setItem(this.#key, text);
      } catch {
        // Full, or forbidden: the drawing is on the paper all the same.
      }
    }
  }

  load() {
    for (const store of [sessionStorage, localStorage]) {
      try {
        const kept = JSON.parse(store.getItem(this.#key));
        if (kept?.version === 1 && kept.strokes.length) return kept;
      } catch {
        // Nothing that can be read is nothing.
      }
    }
    return null;
  }

  forget() {
    for (const store of [sessionStorage, localStorage]) store.removeItem(this.#key);
  }
}
