// The page's questions to the bot. The link comes behind the # of the address and leaves it at once:
// it is kept for this tab alone, so that the page can be reloaded and nobody reads it off the screen.

const KEPT_LINK = "link";

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
      throw new Refusal({
        code: "offline",
        sentence: "I cannot be reached just now. Your drawing is kept; I try again.",
        retry_after: 3,
      });
    }
    const answer = await response.json().catch(() => ({
      code: "offline",
      sentence: "Something between us does not answer. Your drawing is kept; I try again.",
      retry_after: 3,
    }));
    if (!response.ok) throw new Refusal(answer);
    return answer;
  }
}
