/**
 * The message list. Owns the scroll position: it sticks to the end while the viewer is there, and otherwise what the
 * viewer looks at stays where it is, whatever is added above or below.
 */

import { Component, createRef, html } from "../vendor/vendor.js";
import { badge, dayName } from "./format.js";
import { DownIcon, Mark } from "./icons.js";
import { Day, Gap, Message, Unread } from "./message.js";
import { rowsOf } from "./rows.js";

/** So close to the end counts as being there, in pixels. */
const END_SLACK = 40;
/** So close to the top, older messages are fetched. */
const TOP_SLACK = 600;

export class Log extends Component {
  #scroller = createRef();
  #content = createRef();
  #stuck = true;
  #written = this.props.room.written;
  #anchor = null;
  #observer = new ResizeObserver(() => this.#settle());

  componentDidMount() {
    this.#observer.observe(this.#scroller.current);
    this.#observer.observe(this.#content.current);
    this.#toEnd();
  }

  componentWillUnmount() {
    this.#observer.disconnect();
  }

  /** The browser's own anchoring gives up at the very top and is missing elsewhere: measured before, mended after. */
  getSnapshotBeforeUpdate() {
    this.#remember();
    return null;
  }

  componentDidUpdate() {
    if (this.#written !== this.props.room.written) {
      this.#written = this.props.room.written;
      this.#stuck = true; // who writes wants to see it
    }
    this.#settle();
    this.#fetch();
  }

  #remember() {
    this.#anchor = null;
    if (this.#stuck) return;
    const top = this.#scroller.current.getBoundingClientRect().top;
    const rows = this.#content.current.querySelectorAll("[data-row]");
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > top) high = middle;
      else low = middle + 1;
    }
    const row = rows[low];
    if (row) this.#anchor = { row, top: row.getBoundingClientRect().top };
  }

  #settle() {
    const scroller = this.#scroller.current;
    if (this.#stuck) {
      this.#toEnd();
    } else if (this.#anchor?.row.isConnected) {
      const moved = this.#anchor.row.getBoundingClientRect().top - this.#anchor.top;
      if (moved) scroller.scrollTop += moved;
    }
  }

  #toEnd() {
    const scroller = this.#scroller.current;
    scroller.scrollTop = scroller.scrollHeight;
  }

  #scrolled = () => {
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller.current;
    this.#stuck = scrollHeight - clientHeight - scrollTop < END_SLACK;
    this.#remember();
    const { chat, room } = this.props;
    if (this.#stuck !== room.atEnd || this.#stuck) chat.attend(room, this.#stuck);
    this.#fetch();
  };

  #fetch() {
    const { chat, room } = this.props;
    const top = room.timeline.top;
    if (top && this.#scroller.current.scrollTop < TOP_SLACK) chat.older(room, top);
  }

  #jump = () => {
    this.#stuck = true;
    this.#toEnd();
    this.props.chat.attend(this.props.room, true);
  };

  render({ chat, room }) {
    const { timeline, unsent, own, unreadAfter } = room;
    void room.version.value;
    void chat.online.value; // what could not be fetched before may be had now: see componentDidUpdate
    const viewer = { user: chat.user.value, name: chat.name.value, own, unreadAfter };
    const rows = rowsOf(timeline, unsent, viewer);
    const below = room.below.value;
    const quiet = !room.settled.value || Boolean(room.loading.value); // what is old is not news to be read out
    return html`
      <div class="log-frame">
        <div class="log" role="log" tabindex="0" aria-label=${`Messages in ${room.name}`} aria-live=${quiet ? "off" : "polite"}
          ref=${this.#scroller} onScroll=${this.#scrolled}>
          <div class="log-content" ref=${this.#content}>
            <${Top} room=${room} joined=${room.joined.value} more=${Boolean(timeline.top)} empty=${rows.length === 0} />
            ${rows.map((row) => this.#row(row))}
          </div>
        </div>
        ${below > 0 && html`<button type="button" class="pill" onClick=${this.#jump}>
          <${DownIcon} />${below === 1 ? "1 new message" : `${badge(below)} new messages`}</button>`}
      </div>`;
  }

  #row(row) {
    const { chat, room } = this.props;
    switch (row.kind) {
      case "day": return html`<${Day} key=${row.key} name=${dayName(row.ts)} />`;
      case "unread": return html`<${Unread} key=${row.key} />`;
      case "gap": return html`<${Gap} key=${row.key} row=${row} busy=${room.loading.value === row.run}
        onFill=${() => chat.older(room, row.run)} />`;
      default: return html`<${Message} key=${row.key} row=${row} chat=${chat} />`;
    }
  }
}

/** Above the first row: that older messages are on their way, or that this is where the room begins. */
const Top = ({ room, joined, more, empty }) => {
  if (!joined) return html`<div class="top"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span class="vh">Loading messages</span></div>`;
  if (more) return html`<div class="top"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span></div>`;
  if (empty) {
    return html`
      <div class="empty">
        <${Mark} />
        <h2>It is quiet in <bdi>${room.name}</bdi></h2>
        <p>Nobody has written here yet. Say hello, or give others the address of this room:</p>
        <p class="address"><bdi dir="ltr">${location.host}${location.pathname}</bdi></p>
      </div>`;
  }
  return html`<div class="top begin">This is where <bdi>${room.name}</bdi> begins.</div>`;
};
