/** Starts the page. */

import { html, options, render } from "../vendor/vendor.js";
import { App } from "./app.js";
import { Chat } from "./chat.js";
import { listen } from "./keys.js";
import { warn } from "./leaving.js";

// Draw once a frame however many messages arrive in it; a hidden page has no frames, so not much later than that.
options.debounceRendering = (draw) => {
  let drawn = false;
  const once = () => {
    if (drawn) return;
    drawn = true;
    draw();
  };
  requestAnimationFrame(once);
  setTimeout(once, 100);
};

const chat = new Chat();
render(html`<${App} chat=${chat} />`, document.getElementById("page"));
listen(chat);
warn(chat.client);
chat.connect();
