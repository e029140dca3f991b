// The page's questions to the bot. The link comes behind the # of the address and leaves it at once:
// it is kept for this tab alone, so that the page can be reloaded and nobody reads it off the screen.

const KEPT_LINK = "link";
const UNREACHABLE = {
  code: "offline",
  sentence: "I cannot be reached just now. Your drawing is kept in this browser.",
  retry_after: 3,
};

export class Refusal extends Error {
  constructor({ code, sentence, retry_after: retryAfter, again }) {
    super(sentence);
    this.code = code;
    this.retryAfter = retryAfter;
    this.again = again;
  }
}

/** Take the link out of the address, or find the one that this tab had. */
export function takeLink() {
  const link = location.hash.slice(1);
  if (link) {
    sessionStorage.setItem(KEPT_LINK, link);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT_LINK);
}

export class Server {
  #link;

  constructor(link) {
    this.#link = link;
  }

  /** Ask; throws a Refusal, and an AbortError when it was called off. */
  async ask(what, body = {}, signal = undefined) {
    let response;
    try {
      response = await fetch(`api/${what}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Draw-Link": this.#link },
        body: JSON.stringify(body),
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(UNREACHABLE);
    }
    const answer = await response.json().catch(() => null); // null: a proxy's own page
    if (!response.ok || !answer) throw new Refusal(answer ?? UNREACHABLE);
    return answer;
  }
}
