/** The one error of the client: what happened, in the words of the protocol, and whether trying again can help. */

export class ParleyError extends Error {
  /**
   * @param {string} code one of the protocol's error codes, or `closed` when this side gave up
   * @param {string} message for people
   * @param {{temporary?: boolean, retry?: number}} [more] `retry`: seconds to wait before the same again
   */
  constructor(code, message, { temporary = false, retry = 0 } = {}) {
    super(message || code);
    this.name = "ParleyError";
    this.code = code;
    this.temporary = temporary;
    this.retry = retry;
  }

  /** The error that an `error` message of the server stands for. */
  static from(message) {
    const { code, temporary, retry } = message;
    return new ParleyError(String(code || "internal"), message.message, {
      temporary: temporary === true,
      retry: Number.isFinite(retry) ? retry : 0,
    });
  }
}

/** The server did not answer in time: what was asked may have happened, or happen yet. */
export class NoAnswer extends ParleyError {
  constructor() {
    super("unavailable", "No answer in time.", { temporary: true });
  }
}
