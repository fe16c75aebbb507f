/**
 * What is remembered over a reload, and random names.
 *
 * A browser may refuse storage altogether (blocked cookies, a full disk); then everything works until the tab closes.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/** A random name of `length` characters that the protocol accepts as `session` or `cid`: 6 bits a character. */
export function randomName(length = 20) {
  // Not crypto.randomUUID: plain http on a LAN name is no secure context and does not have it.
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => ALPHABET[byte & 63]).join("");
}

/** A JSON view on `sessionStorage` or `localStorage` (or on nothing but memory) under one prefix. */
export class Store {
  #memory = new Map();
  #prefix;
  #kind;

  /** @param {"sessionStorage"|"localStorage"} kind the first lives as long as the tab, the second stays */
  constructor(kind, prefix = "parley.") {
    this.#kind = kind;
    this.#prefix = prefix;
  }

  get(key, otherwise = null) {
    if (this.#memory.has(key)) return this.#memory.get(key) ?? otherwise;
    try {
      return JSON.parse(globalThis[this.#kind].getItem(this.#prefix + key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** Hear when another tab has changed what is kept under a key. What that is now is to be got: changes may follow each other. */
  watch(key, heard) {
    addEventListener("storage", (event) => {
      if (event.key === this.#prefix + key && event.storageArea === globalThis[this.#kind]) heard();
    });
  }

  /** Forget everything under the prefix. */
  clear() {
    this.#memory.clear();
    try {
      const storage = globalThis[this.#kind];
      for (const key of Object.keys(storage)) if (key.startsWith(this.#prefix)) storage.removeItem(key);
    } catch {
      // nothing was kept there
    }
  }

  set(key, value) {
    try {
      if (value === null) globalThis[this.#kind].removeItem(this.#prefix + key);
      else globalThis[this.#kind].setItem(this.#prefix + key, JSON.stringify(value));
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, value);
    }
  }
}
