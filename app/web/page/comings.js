/** Who came and went, condensed to one note between two messages. Pure but for the numbering of notes. */

/** So many notes are kept, and so many people in one; who looks further back has better things to read. */
const NOTES = 40;
const PEOPLE = 200;

/**
 * @typedef {{name: string, came: boolean, went: boolean}} Passage
 * @typedef {{key: number, after: number, ts: number, people: Map<string, Passage>, version: number}} Note
 */

export class Comings {
  /** @type {Note[]} oldest first */
  notes = [];

  #next = 1;

  /**
   * People came (`[{user, name}]`) and went (`[{user, name}]`) after the message with the seq `after`. Who comes back
   * before anything else was said has not been away.
   */
  take({ joined, left }, after, now = Date.now()) {
    let note = this.notes.at(-1);
    if (note?.after !== after) {
      note = { key: this.#next++, after, ts: now, people: new Map(), version: 0 };
      this.notes = [...this.notes, note].slice(-NOTES);
    }
    const { people } = note;
    for (const { user, name } of joined) {
      if (people.get(user)?.went && !people.get(user).came) people.delete(user);
      else if (people.size < PEOPLE) people.set(user, { name, came: true, went: false });
    }
    for (const { user, name } of left) {
      if (people.has(user)) people.get(user).went = true;
      else if (people.size < PEOPLE) people.set(user, { name, came: false, went: true });
    }
    note.version += 1;
    if (!people.size) this.notes = this.notes.slice(0, -1);
  }
}

/** A note in words: `[{names, more, verb}]`, such as Ada and Bob and 3 more, "joined". */
export function sentences({ people }) {
  const all = [...people.values()];
  const groups = [
    ["joined", all.filter(({ came, went }) => came && !went)],
    ["left", all.filter(({ came, went }) => !came && went)],
    ["came and went", all.filter(({ came, went }) => came && went)],
  ];
  return groups.filter(([, some]) => some.length).map(([verb, some]) => {
    const shown = some.length > 4 ? 3 : some.length;
    return { verb, names: some.slice(0, shown).map(({ name }) => name), more: some.length - shown };
  });
}
