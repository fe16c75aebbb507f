/**
 * What the page has of one room's history: runs of consecutive events, with a gap between one run and the next.
 *
 * Pure: no socket, no DOM. Events of types this version does not show still count in a run, so that nothing is asked
 * for twice and no hole is seen where there is none.
 */

/** Above this many messages, the oldest are let go when nobody looks at them; scrolling up brings them back. */
const TRIM_ABOVE = 1200;
const TRIM_TO = 600;

class Run {
  constructor(epoch, first, last, more) {
    this.epoch = epoch;
    /** The seqs covered: all events from `first` to `last` are known. */
    this.first = first;
    this.last = last;
    /** Whether the server may have events before `first`. */
    this.more = more;
    this.messages = [];
  }
}

export class Timeline {
  /** @type {Run[]} oldest first; the last one grows */
  runs = [];

  get #live() {
    return this.runs[this.runs.length - 1];
  }

  /** All that a fresh join gave: the latest page, ending at the position. */
  start({ epoch, seq, messages }) {
    const first = messages.length ? messages[0].seq : seq + 1;
    const run = new Run(epoch, first, seq, first > 1);
    run.messages = messages.filter(shown);
    this.runs = [run];
  }

  /** Events were missed: what comes now stands apart from what was there. */
  gap({ epoch, upto }) {
    this.runs.push(new Run(epoch, upto + 1, upto, upto > 0));
  }

  /** The next event of the room. */
  push(event) {
    const run = this.#live;
    if (!run || event.seq <= run.last) return;
    run.last = event.seq;
    if (shown(event)) run.messages.push(event);
  }

  /** A page of history that ends right before the first event of `run`. */
  prepend(run, { messages, more }) {
    const index = this.runs.indexOf(run);
    if (index < 0) return;
    const before = this.runs[index - 1];
    const floor = before?.epoch === run.epoch ? before.last : 0;
    const news = messages.filter((event) => event.seq < run.first && event.seq > floor);
    run.messages = [...news.filter(shown), ...run.messages];
    if (news.length) run.first = news[0].seq;
    run.more = more && messages.length > 0 && run.first > 1;
    if (floor && run.first === floor + 1) this.#close(index);
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

  get last() {
    return this.#live?.last ?? 0;
  }

  get epoch() {
    return this.#live?.epoch ?? "";
  }

  has(seq) {
    return this.runs.some((run) => run.epoch === this.epoch && run.first <= seq && seq <= run.last);
  }

  /** How many messages after `seq` are by others than `user`; where they are not all here, the seqs are counted. */
  countAfter(seq, user) {
    const run = this.#live;
    if (!run || seq >= run.last) return 0;
    const here = run.messages.filter((message) => message.seq > seq && message.user !== user).length;
    return here + Math.max(0, run.first - seq - 1);
  }

  /** Let go of the oldest messages, if there are very many. Returns whether any went. */
  trim() {
    const run = this.#live;
    if (!run || run.messages.length <= TRIM_ABOVE) return false;
    run.messages = run.messages.slice(-TRIM_TO);
    run.first = run.messages[0].seq;
    run.more = true;
    this.runs = [run];
    return true;
  }

  #close(index) {
    const [before, run] = this.runs.slice(index - 1, index + 1);
    before.messages = [...before.messages, ...run.messages];
    before.last = run.last;
    this.runs.splice(index, 1);
  }
}

function shown(event) {
  return event.type === "message";
}
