// Matches while one draws: asked for when the pen is lifted, the latest drawing only.

import { picture } from "./paper.js";

const PAUSE = 60; // ms after the pen is lifted: the next line often follows at once
const MOST_RETRIES = 20;

export class Live {
  #server;
  #sketch;
  #photos;
  #show;
  #timer = null;
  #asking = null;

  /** `show` is told of each state: waiting, found, blank, trouble. */
  constructor(server, sketch, photos, show) {
    this.#server = server;
    this.#sketch = sketch;
    this.#photos = photos;
    this.#show = show;
  }

  /** The drawing has changed. */
  changed() {
    this.stop();
    if (this.#sketch.empty) return this.#show("blank");
    this.#timer = setTimeout(() => this.#ask(0), PAUSE);
  }

  /** Ask for nothing more, and listen to no answer that is under way. */
  stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  async #ask(retries) {
    const asking = (this.#asking = new AbortController());
    this.#show("waiting");
    try {
      const body = { drawing: picture(this.#sketch), known: this.#photos.known() };
      const found = await this.#server.ask("live", body, asking.signal);
      if (this.#asking !== asking) return;
      await this.#photos.show(found.photos);
      if (this.#asking === asking) this.#show("found", found);
    } catch (error) {
      if (this.#asking !== asking || error.name === "AbortError") return;
      if (error.code === "blank") return this.#show("blank");
      this.#show("trouble", error);
      if (error.retryAfter && retries < MOST_RETRIES) {
        this.#timer = setTimeout(() => this.#ask(retries + 1), error.retryAfter * 1000);
      }
    }
  }
}
