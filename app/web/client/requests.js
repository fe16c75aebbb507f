/** Requests of one connection that still wait for their reply, by `id`. Replies are handled in the order they come. */

import { NoAnswer, ParleyError } from "./errors.js";

const REPLY_SECONDS = 15;

export class Requests {
  #next = 1;
  #open = new Map();

  /**
   * Take an id. `done(error, reply)` is called exactly once: with the reply, with the server's error, with NoAnswer
   * when no reply came in time, or with a temporary error when the connection went away.
   */
  open(done) {
    const id = this.#next++;
    const timer = setTimeout(() => {
      this.#open.delete(id);
      done(new NoAnswer());
    }, REPLY_SECONDS * 1000);
    this.#open.set(id, { done, timer });
    return id;
  }

  /** Hand a message of the server to the request it answers; false when it answers none. */
  settle(message) {
    const request = this.#open.get(message.id);
    if (!request) return false;
    clearTimeout(request.timer);
    this.#open.delete(message.id);
    if (message.type === "error") request.done(ParleyError.from(message));
    else request.done(null, message);
    return true;
  }

  /** It was not sent after all: `done` is not called. */
  cancel(id) {
    clearTimeout(this.#open.get(id)?.timer);
    this.#open.delete(id);
  }

  /** The connection is gone: what was asked over it may or may not have happened. */
  abandon() {
    const requests = [...this.#open.values()];
    this.#open.clear();
    for (const { done, timer } of requests) {
      clearTimeout(timer);
      done(new ParleyError("unavailable", "The connection was lost.", { temporary: true }));
    }
  }
}
