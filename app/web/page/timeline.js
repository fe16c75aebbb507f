/**
 * What the page has of one room's history: runs of consecutive events, with a gap between one run and the next.
 *
 * Pure: no socket, no DOM. Events of types this version does not show still count in a run, so that nothing is asked
 * for twice and no hole is seen where there is none. A message that changes becomes another object.
 */

import { changed, isChange } from "./changes.js";

/** Above this many messages, the oldest are let go when nobody looks at them; scrolling up brings them back. */
const TRIM_ABOVE = 1200;
const TRIM_TO = 600;
/** So many of the latest changes are kept for older messages that are on their way. */
const CHANGES = 500;

class Run {
  constructor(epoch, first, last, more) {
    this.epoch = epoch;
    /** The seqs covered: all events from `first` to `last` are known. */
    this.first = first;
    this.last = last;
    /** Whether the server may have events before `first`. */
    this.more = more;
    /** Whether the gap before it is there because somebody went further back, not because anything was missed. */
    this.skipped = false;
    this.messages = [];
  }

  /** Where the message with this seq is, or where it would be. */
  at(seq) {
    let [low, high] = [0, this.messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Timeline {
  /** @type {Run[]} oldest first; the last one grows */
  runs = [];

  #changes = [];
  #stranded = 0;

  get #live() {
    return this.runs[this.runs.length - 1];
  }

  /** All that a fresh join gave: the latest page, ending at the position. */
  start({ epoch, seq, messages }) {
    const first = messages.length ? messages[0].seq : seq + 1;
    const run = new Run(epoch, first, seq, first > 1);
    run.messages = messages.filter(shown);
    this.runs = [run];
    this.#changes = [];
  }

  /** Events were missed: what comes now stands apart from what was there. */
  gap({ epoch, upto }) {
    if (epoch === this.epoch && upto < this.last) this.#strand(upto);
    this.runs.push(new Run(epoch, upto + 1, upto, upto > 0));
    this.#changes = []; // the ones that were missed could make these untrue
  }

  /** The next event of the room. */
  push(event) {
    const run = this.#live;
    if (!run || event.seq <= run.last) return;
    run.last = event.seq;
    if (shown(event)) run.messages.push(event);
    else if (isChange(event)) this.#change(event);
  }

  /** A page of history that ends right before the first event of `run`. */
  prepend(run, { messages, more }) {
    const index = this.runs.indexOf(run);
    if (index < 0) return;
    const before = this.runs[index - 1];
    const floor = before?.epoch === run.epoch ? before.last : 0;
    const news = messages.filter((event) => event.seq < run.first && event.seq > floor);
    run.messages = [...this.#upToDate(news), ...run.messages];
    if (news.length) run.first = news[0].seq;
    run.more = more && messages.length > 0 && run.first > 1;
    if (floor && run.first === floor + 1) this.#close(index);
  }

  /** A page of history that begins right after the last event of `run`, towards the run that follows. */
  append(run, { messages }) {
    const index = this.runs.indexOf(run);
    const next = this.runs[index + 1];
    if (index < 0 || next?.epoch !== run.epoch) return;
    const news = messages.filter((event) => event.seq > run.last && event.seq < next.first);
    run.messages.push(...this.#upToDate(news));
    if (news.length) run.last = news.at(-1).seq;
    else next.more = false; // what is between is not to be had
    if (run.last + 1 === next.first) this.#close(index + 1);
  }

  /** A page from anywhere in the past: a run of its own, unless it touches what is there. */
  place({ messages, more }) {
    if (!messages.length || !this.#live) return;
    const { epoch } = this.#live;
    const [first, last] = [messages[0].seq, messages.at(-1).seq];
    const index = this.runs.findIndex((run) => run.epoch === epoch && run.last + 1 >= first);
    const next = this.runs[index];
    if (!next) return;
    if (next.first <= first) {
      this.append(next, { messages });
    } else if (next.first <= last + 1) {
      this.prepend(next, { messages, more });
    } else {
      const run = new Run(epoch, first, last, more && first > 1);
      run.messages = this.#upToDate(messages);
      next.skipped = next.more = true;
      this.runs.splice(index, 0, run);
    }
  }

  /** The run that scrolling to the top extends, if there is more to be had. */
  get top() {
    const run = this.runs[0];
    return run?.more && run.epoch === this.#live.epoch ? run : null;
  }

  /** Whether the hole in front of `runs[index]` can perhaps be filled. */
  fillable(index) {
    return index > 0 && this.runs[index].more && this.runs[index - 1].epoch === this.runs[index].epoch;
  }

  /** The run that ends where `run` has its gap. */
  before(run) {
    return this.runs[this.runs.indexOf(run) - 1];
  }

  get last() {
    return this.#live?.last ?? 0;
  }

  get epoch() {
    return this.#live?.epoch ?? "";
  }

  /** The messages that came without interruption up to now. */
  get latest() {
    return this.#live?.messages ?? [];
  }

  has(seq) {
    return Boolean(this.#run(seq));
  }

  /** The message with this seq in the present epoch. */
  find(seq) {
    const run = this.#run(seq);
    const message = run?.messages[run.at(seq)];
    return message?.seq === seq ? message : undefined;
  }

  /** How many messages after `seq` are by others than `user`; where they are not all here, the seqs are counted. */
  countAfter(seq, user) {
    const run = this.#live;
    if (!run || seq >= run.last) return 0;
    return this.#othersAfter(seq, user).length + Math.max(0, run.first - seq - 1);
  }

  /** How many of those that are here name the user. */
  mentionsAfter(seq, user) {
    return this.#othersAfter(seq, user).filter(({ mentions }) => mentions?.includes(user)).length;
  }

  /** Let go of the oldest messages, if there are very many. Returns whether any went. */
  trim() {
    const run = this.#live;
    if (!run || run.messages.length <= TRIM_ABOVE) return false;
    run.messages = run.messages.slice(-TRIM_TO);
    run.first = run.messages[0].seq;
    run.more = true;
    run.skipped = false;
    this.runs = [run];
    return true;
  }

  #run(seq) {
    return this.runs.findLast((run) => run.epoch === this.epoch && run.first <= seq && seq <= run.last);
  }

  /** The log has lost what came after `upto`, and uses the seqs again: that stays to be read, in an epoch of its own. */
  #strand(upto) {
    const epoch = `${this.epoch}~${(this.#stranded += 1)}`;
    this.runs = this.runs.flatMap((run) => {
      if (run.epoch !== this.epoch || run.last <= upto) return [run];
      const lost = new Run(epoch, Math.max(run.first, upto + 1), run.last, false);
      lost.messages = run.messages.splice(run.at(lost.first));
      run.last = upto;
      return run.first <= upto ? [run, lost] : [lost];
    });
  }

  #othersAfter(seq, user) {
    const run = this.#live;
    const after = run ? run.messages.slice(run.at(seq + 1)) : [];
    return after.filter((message) => message.type === "message" && !message.deleted && message.user !== user);
  }

  #change(event) {
    this.#changes.push(event);
    if (this.#changes.length > CHANGES) this.#changes.shift();
    const run = this.#run(event.of);
    const index = run?.at(event.of);
    const message = run?.messages[index];
    if (message?.seq === event.of) run.messages[index] = changed(message, event);
  }

  /** The messages of a page, with the changes that came while it was on its way. */
  #upToDate(events) {
    return events.filter(shown).map((message) => this.#changes.filter(({ of }) => of === message.seq).reduce(changed, message));
  }

  #close(index) {
    const [before, run] = this.runs.slice(index - 1, index + 1);
    before.messages = [...before.messages, ...run.messages];
    before.last = run.last;
    this.runs.splice(index, 1);
  }
}

function shown({ type }) {
  return type === "message" || type === "topic";
}
