/** A signed-in client's token is renewed before it ends, so that the connection goes on. Owns the timer. */

/** So long before its end, or at half of what it still lasts if that is later. */
const EARLY_SECONDS = 60;
/** Between two tries, while there is no newer token. */
const AGAIN_SECONDS = 5;

/** The longest that a timer can wait; a token that lasts longer is renewed early. */
const MOST_SECONDS = 2 ** 31 / 1000 - 1;

export class Renewal {
  #token;
  #request;
  #given = null;
  #endsAt = 0;
  #timer = 0;

  /**
   * @param {() => string | Promise<string>} token gives a valid token
   * @param {(body: object, done: (error: Error | null, reply?: object) => void) => boolean} request
   */
  constructor(token, request) {
    this.#token = token;
    this.#request = request;
  }

  /** A token for a new connection. */
  async token() {
    this.#given = await this.#token();
    return this.#given;
  }

  /** The connection's token ends in so many seconds. */
  lasts(seconds) {
    clearTimeout(this.#timer);
    this.#endsAt = Date.now() + 1000 * seconds;
    this.#in(Math.min(MOST_SECONDS, Math.max(seconds - EARLY_SECONDS, seconds / 2)));
  }

  /** The connection is gone. */
  over() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #in(seconds) {
    const timer = setTimeout(() => this.#renew(timer), 1000 * seconds);
    this.#timer = timer;
  }

  async #renew(timer) {
    const token = await Promise.resolve().then(this.#token).catch(() => null);
    if (timer !== this.#timer) return; // that connection is gone
    const sent = token && token !== this.#given && this.#request({ type: "refresh", token }, (error, reply) => {
      if (timer !== this.#timer) return;
      // Another one may do. If none does, the server closes when the old one ends, and hello says why.
      if (error) return void this.#again();
      this.#given = token;
      this.lasts(reply.exp);
    });
    if (!sent) this.#again();
  }

  #again() {
    const left = (this.#endsAt - Date.now()) / 1000;
    if (left > 0) this.#in(Math.min(AGAIN_SECONDS, left / 2 + 0.05));
  }
}
