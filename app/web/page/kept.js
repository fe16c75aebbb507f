/** The viewer's rooms as the browser keeps them: one list for all its tabs, to which each adds what it enters. */

export class KeptRooms {
  #store;
  #known;

  /** @param {import("/client/storage.js").Store} store of the browser */
  constructor(store) {
    this.#store = store;
    this.#known = this.names;
  }

  /** In the order they were added. */
  get names() {
    return this.#store.get("rooms", []);
  }

  /** This tab has these rooms now: what is new is added, what is gone is taken off, what only others have stays. */
  save(names) {
    const gone = new Set(this.#known.filter((name) => !names.includes(name)));
    const added = names.filter((name) => !this.#known.includes(name));
    this.#known = names;
    if (gone.size || added.length) this.#store.set("rooms", [...new Set([...this.names.filter((name) => !gone.has(name)), ...added])]);
  }

  /** Hear of rooms that another tab has entered, and of those it has left. */
  follow(entered, left) {
    this.#store.watch("rooms", () => {
      const { names } = this;
      for (const name of this.#known.filter((one) => !names.includes(one))) left(name);
      for (const name of names.filter((one) => !this.#known.includes(one))) entered(name);
    });
  }
}
