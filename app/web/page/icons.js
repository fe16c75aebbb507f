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
export const UpIcon = () => icon(html`<path d="M10 16V4.5M5 9.2l5-5 5 5" />`);
export const PlusIcon = () => icon(html`<path d="M10 4.5v11M4.5 10h11" />`);
export const CloseIcon = () => icon(html`<path d="m5.5 5.5 9 9m0-9-9 9" />`);
export const PencilIcon = () => icon(html`<path d="m4 16 .8-3.4 8.3-8.3a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2l-8.3 8.3L4 16Z" />`);
export const MenuIcon = () => icon(html`<path d="M3.5 6h13M3.5 10h13M3.5 14h8" />`);
export const ClockIcon = () => icon(html`<circle cx="10" cy="10" r="6.5" /><path d="M10 6.3V10l2.4 1.6" />`);
export const AlertIcon = () => icon(html`<circle cx="10" cy="10" r="7" /><path d="M10 6v4.6M10 13.4v.2" />`);
export const SmileIcon = () => icon(html`<path d="M15.8 7.4A6.6 6.6 0 1 1 11 3.6M7.4 11.6a3.2 3.2 0 0 0 5 .2M7.6 8.2v.2M12 8.2v.2M15.2 2.4v4M13.2 4.4h4" />`);
export const LinkIcon = () => icon(html`<path d="M8.4 11.6a3 3 0 0 0 4.3 0l2.6-2.6a3 3 0 0 0-4.3-4.3l-.8.8M11.6 8.4a3 3 0 0 0-4.3 0L4.7 11a3 3 0 0 0 4.3 4.3l.8-.8" />`);
export const TrashIcon = () => icon(html`<path d="M4.5 6h11M8 6V4.2h4V6M6 6l.6 9.8h6.8L14 6M8.8 8.8v4.4M11.2 8.8v4.4" />`);
export const PeopleIcon = () => icon(html`<circle cx="7.6" cy="7.2" r="2.7" /><path d="M2.8 15.6c.3-2.7 2.3-4.2 4.8-4.2s4.5 1.5 4.8 4.2M12.6 4.8a2.5 2.5 0 0 1 0 4.8M14.4 11.7c1.6.5 2.6 1.8 2.8 3.9" />`);
export const SearchIcon = () => icon(html`<circle cx="9" cy="9" r="5" /><path d="m12.8 12.8 3.7 3.7" />`);
export const BellIcon = () => icon(html`<path d="M5.6 13.6V9a4.4 4.4 0 0 1 8.8 0v4.6l1.2 1.2H4.4l1.2-1.2ZM8.6 16.8a1.6 1.6 0 0 0 2.8 0" />`);
export const BellOffIcon = () => icon(html`<path d="M5.6 13.6V9c0-.8.2-1.5.6-2.1M8.2 4.9A4.4 4.4 0 0 1 14.4 9v3M13.2 14.8H4.4l1.2-1.2M8.6 16.8a1.6 1.6 0 0 0 2.8 0M3.5 3.5l13 13" />`);
export const HelpIcon = () => icon(html`<circle cx="10" cy="10" r="6.8" /><path d="M8 8a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M10 13.6v.1" />`);
export const ShieldIcon = () => icon(html`<path d="M10 3.2 15.5 5v4.6c0 3.4-2.3 5.9-5.5 7.2-3.2-1.3-5.5-3.8-5.5-7.2V5L10 3.2Z" />`);
export const LockIcon = () => icon(html`<path d="M5.5 9h9v7h-9zM7.5 9V6.5a2.5 2.5 0 0 1 5 0V9" />`);
