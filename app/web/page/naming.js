/** The guest's name: one for all tabs of the browser. What the server refuses is not kept; the other tabs follow. */

export class Naming {
  #chat;
  #store;
  /** Whether this tab has asked for a name that the server has not taken yet. */
  #asking = false;

  /** @param {import("/client/storage.js").Store} store of the browser */
  constructor(chat, store) {
    this.#chat = chat;
    this.#store = store;
    store.watch("name", () => this.#follow());
    // Whatever this tab missed, as one that slept may have: what it says in its next hello is no older name.
    chat.client.on("state", ({ state }) => {
      if (state === "connecting" && this.#differs) chat.client.name = this.#kept;
    });
  }

  /**
   * Take a name, for the first time or another one; connects. Resolves with what is wrong with it, or "" once it is taken;
   * with null when another one was chosen meanwhile.
   */
  async choose(name) {
    const { client, name: shown, nameError } = this.#chat;
    if (name === shown.value && !nameError.value && client.state !== "offline") return "";
    // At the door there is no other name to go on under.
    if (!shown.value || nameError.value) shown.value = name;
    nameError.value = "";
    this.#asking = true;
    try {
      await client.rename(name);
    } catch (error) {
      if (error.code === "closed") return null;
      // Who needs a token all the same was not refused for the name.
      this.#keep(error.code === "bad_request" ? this.#kept : name);
      return error.message;
    }
    this.#keep(client.name);
    return "";
  }

  #keep(name) {
    this.#asking = false;
    if (name) this.#store.set("name", name);
  }

  get #kept() {
    return this.#store.get("name", "");
  }

  get #differs() {
    return Boolean(this.#kept) && !this.#asking && !this.#chat.signedIn.value && this.#kept !== this.#chat.client.name;
  }

  /** Another tab has another name. */
  #follow() {
    const { client, name, nameError } = this.#chat;
    if (!this.#differs) return;
    const outside = !name.value || nameError.value;
    name.value = this.#kept;
    nameError.value = "";
    if (client.state === "offline" && !outside) client.name = this.#kept; // it stays away until somebody wants it back
    else client.rename(this.#kept).catch(() => {}); // `state` tells
  }
}
