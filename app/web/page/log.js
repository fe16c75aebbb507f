/**
 * The message list. Owns which row is under the pointer or has the focus; where the list stands is `Scroll`'s business.
 */

import { Component, createRef, html } from "../vendor/vendor.js";
import { badge, dayName } from "./format.js";
import { DownIcon, Mark, UpIcon } from "./icons.js";
import { Message } from "./message.js";
import { Day, Gap, Note, Topic, Unread } from "./notes.js";
import { rowsOf } from "./rows.js";
import { Scroll } from "./scroll.js";

/** So close to the top, older messages are fetched. */
const TOP_SLACK = 600;
/** Scrolled so far up, the way back to the end is offered although nothing new is there. */
const FAR = 1200;

export class Log extends Component {
  state = { hovered: null, focused: null, far: false, news: false };

  #scroller = createRef();
  #content = createRef();
  /** @type {Scroll} */
  #scroll = null;
  #ends = this.props.room.ends;
  /** The mark behind which all was new, once the viewer has seen the line there. */
  #seenLine = null;
  #rows = { of: "", all: [] };

  componentDidMount() {
    this.#scroll = new Scroll(this.#scroller.current, this.#content.current, this.props.room.target === null);
    this.#arrive();
  }

  componentWillUnmount() {
    this.#scroll.stop();
  }

  getSnapshotBeforeUpdate() {
    this.#scroll.remember();
    return null;
  }

  componentDidUpdate() {
    const { room } = this.props;
    if (this.#ends !== room.ends) {
      this.#ends = room.ends;
      this.#scroll.stuck = true;
    }
    this.#scroll.settle();
    this.#arrive();
    this.#fetch();
    this.#lookForNews();
  }

  /** Show the message that the viewer was led to. */
  #arrive() {
    const { room } = this.props;
    const { target, timeline } = room;
    if (target === null || !timeline.has(target)) return;
    // A change or a topic is not a row of its own kind: what was said next stands for it.
    const row = this.#rowFrom(target);
    if (!row) return;
    room.target = null;
    room.found = Number(row.dataset.seq);
    this.#scroll.to(row);
    room.changed();
    row.focus({ preventScroll: true });
  }

  #scrolled = () => {
    this.#scroll.moved();
    const { chat, room } = this.props;
    const { stuck } = this.#scroll;
    if (stuck !== room.atEnd || stuck) chat.attend(room, stuck);
    const far = this.#scroll.below > FAR;
    if (far !== this.state.far) this.setState({ far });
    this.#fetch();
    this.#lookForNews();
  };

  /** Whether what was new when the room was opened begins above the view, and the viewer has not been there yet. */
  #lookForNews() {
    const { chat, room } = this.props;
    const { unreadAfter, news, timeline } = room;
    let above = unreadAfter !== null && news > 0 && unreadAfter !== this.#seenLine && room.joined.value && room.target === null;
    if (above) {
      const here = timeline.has(unreadAfter + 1) || !timeline.top;
      const line = this.#content.current.querySelector(".unread") ?? (here ? this.#rowFrom(unreadAfter + 1) : null);
      if (line && !this.#scroll.over(line)) {
        if (chat.attention.looking) this.#seenLine = unreadAfter;
        above = false;
      }
    }
    if (above !== this.state.news) this.setState({ news: above });
  }

  /** The first row of what was said at a seq or later. */
  #rowFrom(seq) {
    return [...this.#content.current.querySelectorAll("[data-seq]")].find((one) => Number(one.dataset.seq) >= seq);
  }

  #fetch() {
    const { chat, room } = this.props;
    const { top, runs } = room.timeline;
    if (room.target !== null) return;
    if (top && this.#scroll.above < TOP_SLACK) chat.messages.older(room, top);
    for (const gap of this.#content.current.querySelectorAll("[data-skipped]")) {
      if (this.#scroll.near(gap, TOP_SLACK / 2)) chat.messages.newer(room, runs[Number(gap.dataset.skipped)]);
    }
  }

  #jump = () => {
    const { chat, room } = this.props;
    this.#scroll.toEnd();
    chat.attend(room, true);
  };

  /** The viewer changes the height of a row: what was taken in hand stays there. See `Scroll.hold`. */
  #hold = (element) => {
    const settled = this.#scroll.hold(element);
    return () => {
      settled();
      this.#scrolled();
    };
  };

  #toNews = () => {
    const { chat, room } = this.props;
    this.#seenLine = room.unreadAfter;
    chat.messages.toNews(room);
  };

  // The row in hand: under the pointer, or focused

  #over = ({ target, pointerType }) => {
    if (pointerType !== "touch") this.#hover(target);
  };

  #away = ({ pointerType }) => {
    if (pointerType !== "touch") this.#hover(null); // a finger leaves whenever it is lifted
  };

  #hover(element) {
    const hovered = keyAt(element);
    if (hovered !== this.state.hovered) this.setState({ hovered });
  }

  /** The pointer has its own row; this is for who goes by keyboard. */
  #focused = ({ target }) => {
    const focused = target.matches(":focus-visible") ? keyAt(target) : null;
    if (focused !== this.state.focused) this.setState({ focused });
  };

  #blurred = ({ relatedTarget }) => {
    if (!this.#content.current?.contains(relatedTarget)) this.setState({ focused: null });
  };

  #clicked = (event) => {
    const link = event.target.closest("a");
    const plainly = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (link && plainly && this.props.chat.follow(link.href)) event.preventDefault();
    else if (!link) this.#hover(event.target); // a finger does not hover
  };

  #pressed = (event) => {
    const { chat, room } = this.props;
    const row = event.target.closest("[data-row]");
    if (event.target.closest("textarea, input") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return void document.querySelector(".composer textarea")?.focus();
    const rows = [...this.#content.current.querySelectorAll("[data-row]")];
    const at = rows.indexOf(row);
    const to = { ArrowUp: at < 0 ? rows.length - 1 : at - 1, ArrowDown: at < 0 ? -1 : at + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
      if (to >= rows.length - 1) this.#jump();
      return;
    }
    const found = this.#all().find(({ key, live }) => live && key === row?.dataset.row);
    if (found && row === event.target) chat.actions.key(event, room, found, row);
  };

  #all() {
    const { chat, room } = this.props;
    const { timeline, unsent, own, unreadAfter, comings, alike } = room;
    const of = [room.version.value, chat.user.value, chat.name.value].join();
    if (of !== this.#rows.of) {
      const viewer = { user: chat.user.value, name: chat.name.value, own, unreadAfter, alike };
      this.#rows = { of, all: rowsOf(timeline, unsent, viewer, comings.notes) };
    }
    return this.#rows.all;
  }

  render({ chat, room }, { far, news }) {
    const { timeline } = room;
    void chat.online.value; // what could not be fetched before may be had now: see componentDidUpdate
    const rows = this.#all();
    const below = room.below.value;
    const quiet = !room.settled.value || Boolean(room.loading.value); // what is old is not news to be read out
    return html`
      <div class="log-frame">
        ${news && html`<button type="button" class="pill up" onClick=${this.#toNews}>
          <${UpIcon} />${room.news} new, jump up</button>`}
        <div class="log" role="log" tabindex="0" aria-label=${`Messages in ${room.title}`} aria-live=${quiet ? "off" : "polite"}
          ref=${this.#scroller} onScroll=${this.#scrolled} onKeyDown=${this.#pressed} onPointerOver=${this.#over}
          onPointerLeave=${this.#away} onFocusIn=${this.#focused} onFocusOut=${this.#blurred} onClick=${this.#clicked}>
          <div class="log-content" ref=${this.#content}>
            <${Top} chat=${chat} room=${room} joined=${room.joined.value} more=${Boolean(timeline.top)} empty=${rows.length === 0} />
            ${rows.map((row) => this.#row(row))}
          </div>
        </div>
        ${(below > 0 || far) && html`<button type="button" class=${below ? "pill" : "pill quiet"} onClick=${this.#jump}>
          <${DownIcon} />${below ? (below === 1 ? "1 new message" : `${badge(below)} new messages`) : "Latest messages"}</button>`}
      </div>`;
  }

  #row(row) {
    const { chat, room } = this.props;
    const { hovered, focused } = this.state;
    switch (row.kind) {
      case "day": return html`<${Day} key=${row.key} name=${dayName(row.ts)} />`;
      case "unread": return html`<${Unread} key=${row.key} />`;
      case "note": return html`<${Note} key=${row.key} note=${row.note} version=${row.source} />`;
      case "topic": return html`<${Topic} key=${row.key} event=${row.event} />`;
      case "gap": return html`<${Gap} key=${row.key} row=${row} index=${room.timeline.runs.indexOf(row.run)}
        busy=${room.loading.value === row.run} onFill=${() => chat.messages.older(room, row.run)} />`;
      default: return html`<${Message} key=${row.key} row=${row} chat=${chat} room=${room}
        active=${row.live && !row.deleted && (row.key === hovered || row.key === focused)}
        waiting=${row.state === "pending" && !row.live && !chat.online.value}
        editing=${row.live && room.editing.value === row.seq} found=${row.live && room.found === row.seq} hold=${this.#hold} />`;
    }
  }
}

/** The row that an element belongs to. By its key, which it has before it has a seq. */
const keyAt = (element) => element?.closest("[data-row]")?.dataset.row ?? null;

/** Above the first row: that older messages are on their way, or that this is where the room begins. */
const Top = ({ chat, room, joined, more, empty }) => {
  const dots = html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`;
  if (!joined) return html`<div class="top">${dots}<span class="vh">Loading messages</span></div>`;
  if (more) return html`<div class="top">${dots}</div>`;
  const other = room.other.value;
  if (!empty) return html`<div class="top begin">This is where ${other ? "your conversation with " : ""}<bdi>${room.title}</bdi> begins.</div>`;
  if (other) {
    return html`
      <div class="empty">
        <${Mark} />
        <h2>Only you and <bdi>${other.name}</bdi></h2>
        <p>Nobody else can enter or read this conversation.</p>
      </div>`;
  }
  return html`
    <div class="empty">
      <${Mark} />
      <h2>It is quiet in <bdi>${room.name}</bdi></h2>
      <p>Nobody has written here yet. Say hello, or give others the address of this room:</p>
      <p class="address"><bdi dir="ltr">${location.host}${location.pathname}</bdi></p>
      <button type="button" class="small" onClick=${() => chat.actions.invite(room)}>Copy the link</button>
    </div>`;
};
