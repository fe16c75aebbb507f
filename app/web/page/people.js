/** How a person is shown: initials on a colour, and a name that cannot reach out of its place. */

import { html } from "../vendor/vendor.js";
import { hue, initials } from "./format.js";

export const Avatar = ({ user, name }) => html`<span class=${`avatar hue-${hue(user || name)}`} aria-hidden="true">${initials(name)}</span>`;

/** Bidi-isolated: a name cannot turn the words around it. */
export const Name = ({ name }) => html`<bdi dir="auto" class="name">${name}</bdi>`;
