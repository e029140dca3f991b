// The photos beside the paper, and the votes below them once the drawing is posted.

const FACES = { good: ["👍", "Good match"], miss: ["👎", "Miss"], funny: ["😂", "Funny"] };
const MOST_KNOWN = 60;

function node(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

export class Photos {
  #list;
  #pictures = new Map(); // by photo id, the latest used last

  constructor(list) {
    this.#list = list;
  }

  /** The photos that need not be sent again. */
  known() {
    return [...this.#pictures.keys()];
  }

  /** Show what was found, when its pictures are ready, so that nothing flickers. */
  async show(photos) {
    const cards = photos.map((photo) => this.#card(photo));
    await Promise.all(cards.map((card) => card.querySelector("img")?.decode().catch(() => {})));
    this.#list.replaceChildren(...cards);
  }

  clear() {
    this.#list.replaceChildren();
  }

  /** Let the photos be voted on; `vote(result, kind)` resolves to the counts. */
  ballot(photos, vote) {
    const cards = [...this.#list.children];
    for (const [place, photo] of photos.entries()) {
      const row = node("div", { className: "votes" });
      for (const [kind, [face, name]] of Object.entries(FACES)) {
        const button = node("button", { type: "button" }, node("span", { textContent: face, ariaHidden: "true" }));
        button.append(node("span", { className: "name", textContent: name }));
        button.append(node("span", { className: "count" }));
        button.title = name;
        button.dataset.vote = `${photo.result}:${kind}`;
        button.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-label", `${name}: ${photo.title}`);
        button.addEventListener("click", () => vote(photo.result, kind));
        row.append(button);
      }
      cards[place].append(row);
    }
  }

  /** Show the counts, and which of a photo's buttons is this person's vote. */
  count(tallies, result, kind) {
    for (const button of this.#list.querySelectorAll("[data-vote]")) {
      const [id, name] = button.dataset.vote.split(":");
      button.querySelector(".count").textContent = tallies[id]?.[name] || "";
      if (id === String(result)) button.setAttribute("aria-pressed", String(name === kind));
    }
  }

  #card(photo) {
    if (photo.thumbnail) this.#pictures.set(photo.id, `data:image/jpeg;base64,${photo.thumbnail}`);
    const url = this.#pictures.get(photo.id);
    if (url) {
      this.#pictures.delete(photo.id);
      this.#pictures.set(photo.id, url);
    }
    while (this.#pictures.size > MOST_KNOWN) {
      this.#pictures.delete(this.#pictures.keys().next().value);
    }
    const caption = node("figcaption", {}, node("strong", { textContent: photo.title }));
    caption.title = [photo.title, photo.credit].filter(Boolean).join(", "); // it may be cut off
    if (photo.credit) caption.append(node("small", { textContent: photo.credit }));
    const image = url ? [node("img", { src: url, alt: "" })] : [];
    return node("li", {}, node("figure", {}, ...image, caption));
  }
}
