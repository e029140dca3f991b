// An unfinished drawing survives a reload, and a link that grew too old: it is kept in this browser
// for its member until it is posted. This tab's own comes first; two tabs draw two things.

const TAB = "drawing";

export class Keep {
  #browser;

  constructor(name) {
    this.#browser = `drawing:${name}`;
  }

  save(sketch) {
    const text = JSON.stringify(sketch.plain());
    for (const [store, key] of this.#places()) {
      try {
        store.setItem(key, text);
      } catch {
        // Full, or forbidden: the drawing is on the paper all the same.
      }
    }
  }

  load() {
    for (const [store, key] of this.#places()) {
      try {
        const kept = JSON.parse(store.getItem(key));
        if (kept?.version === 1 && kept.strokes.length) return kept;
      } catch {
        // Nothing that can be read is nothing.
      }
    }
    return null;
  }

  forget() {
    for (const [store, key] of this.#places()) store.removeItem(key);
  }

  #places() {
    return [
      [sessionStorage, TAB],
      [localStorage, this.#browser],
    ];
  }
}
