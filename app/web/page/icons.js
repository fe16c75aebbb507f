/** The few drawings of the page. They are decoration: what they say is said in words beside them. */

import { html } from "../vendor/vendor.js";

const icon = (paths) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${paths}</svg>`;

export const Mark = () => html`
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <path class="mark-back" d="M12 4h11a6 6 0 0 1 6 6v6a6 6 0 0 1-4 5.7V26l-5-4h-8a6 6 0 0 1-6-6v-6a6 6 0 0 1 6-6Z" />
    <path class="mark-front" d="M9 10h9a5 5 0 0 1 5 5v4a5 5 0 0 1-5 5h-6l-5 4v-4.4A5 5 0 0 1 4 19v-4a5 5 0 0 1 5-5Z" />
  </svg>`;
export const SendIcon = () => icon(html`<path d="M10 16V4.5M5 9.2 10 4.2l5 5" />`);
export const DownIcon = () => icon(html`<path d="M10 4v11.5M5 10.8l5 5 5-5" />`);
export const PlusIcon = () => icon(html`<path d="M10 4.5v11M4.5 10h11" />`);
export const CloseIcon = () => icon(html`<path d="m5.5 5.5 9 9m0-9-9 9" />`);
export const PencilIcon = () => icon(html`<path d="m4 16 .8-3.4 8.3-8.3a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2l-8.3 8.3L4 16Z" />`);
export const MenuIcon = () => icon(html`<path d="M3.5 6h13M3.5 10h13M3.5 14h8" />`);
export const ClockIcon = () => icon(html`<circle cx="10" cy="10" r="6.5" /><path d="M10 6.3V10l2.4 1.6" />`);
export const AlertIcon = () => icon(html`<circle cx="10" cy="10" r="7" /><path d="M10 6v4.6M10 13.4v.2" />`);
