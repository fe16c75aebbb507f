/** How a person is shown: initials on a colour, and a name that cannot reach out of its place. */

import { html } from "../vendor/vendor.js";
import { hue, initials } from "./format.js";
import { AlertIcon } from "./icons.js";

export const Avatar = ({ user, name }) => html`<span class=${`avatar hue-${hue(user || name)}`} aria-hidden="true">${initials(name)}</span>`;

/** Bidi-isolated: a name cannot turn the words around it. */
export const Name = ({ name }) => html`<bdi dir="auto" class="name">${name}</bdi>`;

/** Beside a name that looks like another one's in the room. */
export const Alike = () => html`<span class="alike" title="Somebody else here has a name that looks like this one"><${AlertIcon} /><span
  class="vh">looks like another name here</span></span>`;

/**
 * A name that leads to a conversation with its owner. By keyboard the same is had from the list of people, so that
 * getting through a long log does not take one stop for each message.
 */
export const Person = ({ chat, user, name, mine }) => mine || !user ? html`<${Name} name=${name} />` : html`
  <button type="button" class="person" tabindex="-1" title=${`Message ${name}`} onClick=${() => chat.directory.direct(user)}>
    <${Name} name=${name} /></button>`;
