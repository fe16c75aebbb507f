/** Short notices at the edge of the page: what did not work, or happened elsewhere. They leave by themselves. */

import { html, signal } from "../vendor/vendor.js";
import { CloseIcon } from "./icons.js";

const STAY_MS = 8000;
const MOST = 3;

export class Notices {
  #next = 1;

  constructor() {
    /** `[{key, text, label, act}]`, oldest first; `label` and `act` make a button. */
    this.all = signal([]);
  }

  add(text, { label = "", act = null } = {}) {
    const key = this.#next++;
    this.all.value = [...this.all.value, { key, text, label, act }].slice(-MOST);
    setTimeout(() => this.drop(key), STAY_MS);
  }

  drop(key) {
    this.all.value = this.all.value.filter((notice) => notice.key !== key);
  }
}

export const NoticeList = ({ notices }) => html`
  <div class="notices" aria-live="polite">
    ${notices.all.value.map(({ key, text, label, act }) => html`
      <div class="notice" key=${key}>
        <bdi>${text}</bdi>
        ${label && html`<button type="button" class="link" onClick=${() => { act(); notices.drop(key); }}>${label}</button>`}
        <button type="button" class="tool" aria-label="Dismiss" onClick=${() => notices.drop(key)}><${CloseIcon} /></button>
      </div>`)}
  </div>`;
