/**
 * The link to the server: one socket after another, for as long as it is wanted.
 *
 * Owns the socket, every timer about it and the connection's state:
 *
 *   offline     not wanted, or closed with a code that says to stay away
 *   connecting  a socket is being opened, or waits for the server's welcome
 *   online      welcomed
 *   waiting     lost; the next try is at `retryAt`
 *
 * What travels over the link is its owner's business: `opened()`, `message(object)`, `lost()` and `changed()` are called
 * on it, and it says `established(ping)` once the server has welcomed it.
 */

import { delay, verdict } from "./backoff.js";

/** Close codes: the first is a leave at once; after any other the server waits a while for the user to come back. */
const BYE = 1000;
const BACK_SOON = 4000;
/** From the first SYN to the welcome. */
const CONNECT_SECONDS = 10;
/** How long a probe may go unanswered: this part of the server's own interval, within these bounds. */
const PROBE = { part: 0.4, least: 1, most: 5 };
/** A connection that held so long was a good one: the next loss starts the backoff afresh. */
const STABLE_SECONDS = 10;

export class Connection {
  state = "offline";
  /** While waiting: when the next try is due, in milliseconds since 1970. */
  retryAt = 0;
  /** While offline against its owner's will: the close code and its meaning. */
  code = 0;
  meaning = "";

  #url;
  #owner;
  #socket = null;
  #tries = 0;
  #onlineSince = 0;
  #heardAt = 0;
  #pingSeconds = 25;
  #leaveAt = 0;
  #timer = 0;
  #silenceTimer = 0;
  #leaveTimer = 0;

  constructor(url, owner) {
    this.#url = url;
    this.#owner = owner;
  }

  start() {
    if (this.state !== "offline") return;
    addEventListener("online", this.#wake);
    addEventListener("pageshow", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#tries = this.code = 0;
    this.meaning = "";
    this.#open();
  }

  /** Close for good. */
  stop() {
    this.#release(BYE);
    this.#halt(0, "");
  }

  /** Do not wait any longer; also the way back after a final close code. */
  retryNow() {
    if (this.state === "offline") this.start();
    else if (this.state === "waiting") this.#open();
  }

  /** Open a new socket in place of this one at once (to say hello differently). */
  restart() {
    if (this.state === "offline") return;
    this.#leaveAt = 0;
    this.#release(BYE);
    this.#open();
  }

  /** Send one message; false if there is no open socket to send it on. */
  write(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** The server has welcomed this connection and sends something at least every `ping` seconds. */
  established(ping) {
    clearTimeout(this.#timer);
    this.#pingSeconds = Number.isFinite(ping) && ping > 0 ? ping : 25;
    this.#onlineSince = Date.now();
    this.#leaveAt = 0;
    this.#watch();
    this.#become("online");
  }

  /** The server goes away in `seconds` and asks this client to come back then, neither sooner nor later. */
  leaveIn(seconds) {
    const wait = 1000 * Math.max(0, Number.isFinite(seconds) ? seconds : 0);
    this.#leaveAt = Date.now() + wait;
    clearTimeout(this.#leaveTimer);
    this.#leaveTimer = setTimeout(() => {
      this.#leaveAt = 0;
      this.#release(BACK_SOON);
      this.#open();
    }, wait);
  }

  /**
   * Give this socket up as dead: a closing handshake would only wait for an answer that does not come. The next try
   * comes after the backoff, and so many seconds.
   */
  cut(seconds = 0) {
    if (!this.#socket) return;
    this.#release(BACK_SOON);
    this.#wait(seconds);
  }

  /** Ask the server for a sign of life now; without one the socket is cut. */
  probe() {
    clearTimeout(this.#silenceTimer);
    const asked = Date.now();
    this.#owner.ping();
    this.#silenceTimer = setTimeout(() => {
      if (this.#heardAt >= asked) this.#watch();
      else this.cut();
    }, 1000 * Math.min(PROBE.most, Math.max(PROBE.least, PROBE.part * this.#pingSeconds)));
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.cut(), CONNECT_SECONDS * 1000);
    socket.onopen = () => this.#owner.opened();
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code, reason }) => {
      this.#release();
      const { reconnect, meaning } = verdict(code);
      if (reconnect) this.#wait();
      else this.#halt(code, reason && code >= 4500 ? `${meaning} (${reason})` : meaning);
    };
    this.#become("connecting");
  }

  #hear(data) {
    this.#heardAt = Date.now();
    if (typeof data !== "string") return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not this protocol: nothing that could be acted on
    }
    if (message && typeof message === "object") this.#owner.message(message);
  }

  /** Let go of the socket and of the timers about it; nothing more is heard from it. */
  #release(code) {
    clearTimeout(this.#timer);
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#leaveTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (code !== undefined) socket.close(code);
    this.#owner.lost();
  }

  #wait(seconds = 0) {
    const now = Date.now();
    let wait = this.#leaveAt - now;
    if (this.#leaveAt) {
      this.#leaveAt = 0; // announced: its own delay stands for the first backoff
    } else {
      if (this.#onlineSince && now - this.#onlineSince >= STABLE_SECONDS * 1000) this.#tries = 0;
      wait = 1000 * (seconds + delay(this.#tries++));
    }
    this.#onlineSince = 0;
    this.retryAt = now + Math.max(0, wait);
    this.#timer = setTimeout(() => this.#open(), Math.max(0, wait));
    this.#become("waiting");
  }

  #halt(code, meaning) {
    clearTimeout(this.#timer);
    removeEventListener("online", this.#wake);
    removeEventListener("pageshow", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.code = code;
    this.meaning = meaning;
    this.#become("offline");
  }

  #become(state) {
    this.state = state;
    this.#owner.changed();
  }

  /** Timers are throttled in hidden tabs and stand still while the machine sleeps: so silence is probed, not assumed. */
  #watch() {
    clearTimeout(this.#silenceTimer);
    const allowed = 1000 * (this.#pingSeconds + Math.min(1, this.#pingSeconds / 10));
    this.#silenceTimer = setTimeout(() => {
      if (Date.now() - this.#heardAt >= allowed) this.probe();
      else this.#watch();
    }, Math.max(0, this.#heardAt + allowed - Date.now()));
  }

  /** The network is back, or somebody looks at the page again. */
  #wake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.state === "waiting") this.#open();
    else if (this.state === "online") this.probe();
  };
}
