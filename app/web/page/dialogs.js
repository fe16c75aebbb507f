/** The small questions and answers that lie over the page. */

import { html, useRef, useState } from "../vendor/vendor.js";
import { Dialog } from "./dialog.js";
import { lengthOf } from "./format.js";
import { CloseIcon } from "./icons.js";
import { MOD } from "./keys.js";
import { ModerateDialog, SanctionsDialog } from "./moderate.js";
import { Picker } from "./reactions.js";
import { Switcher } from "./switcher.js";

/** The protocol's own bound. */
const TOPIC_MAX = 200;

const KINDS = { switcher: Switcher, react: Picker, help: Help, topic: TopicDialog, delete: DeleteDialog, copy: CopyDialog,
  moderate: ModerateDialog, sanctions: SanctionsDialog };

/** Whatever the page has to ask or show now. */
export function Dialogs({ chat }) {
  const { value: asked } = chat.dialog;
  if (!asked) return null;
  const { kind, ...props } = asked;
  const Kind = KINDS[kind];
  const close = () => { chat.dialog.value = null; };
  return html`<${Kind} key=${kind} chat=${chat} onClose=${close} ...${props} />`;
}

function TopicDialog({ chat, room, onClose }) {
  const field = useRef(null);
  const [problem, setProblem] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const topic = field.current.value.trim().replace(/\s+/g, " ");
    if (lengthOf(topic) > TOPIC_MAX) return setProblem(`At most ${TOPIC_MAX} characters.`);
    if (topic !== room.topic.value) chat.setTopic(room, topic);
    return onClose();
  };
  return html`
    <${Dialog} label="Topic" kind="question" onClose=${onClose}>
      <form onSubmit=${submit}>
        <label for="topic">What is <bdi>#${room.name}</bdi> about?</label>
        <input id="topic" type="text" dir="auto" ref=${field} defaultValue=${room.topic.value} autocomplete="off" autofocus
          aria-invalid=${Boolean(problem)} aria-describedby=${problem ? "topic-error" : null} onInput=${() => setProblem("")} />
        ${problem && html`<p class="problem" id="topic-error" role="alert">${problem}</p>`}
        <div class="answers">
          <button type="button" class="small plain" onClick=${onClose}>Cancel</button>
          <button type="submit" class="small">Set the topic</button>
        </div>
      </form>
    <//>`;
}

function DeleteDialog({ chat, room, message, onClose }) {
  const sure = () => {
    onClose();
    chat.messages.delete(room, message);
  };
  return html`
    <${Dialog} label="Delete this message?" kind="question" onClose=${onClose}>
      <h2>Delete this message?</h2>
      <blockquote class="quoted"><bdi dir="auto">${message.text}</bdi></blockquote>
      <p>Nobody can read it afterwards, and it cannot be brought back.</p>
      <div class="answers">
        <button type="button" class="small plain" onClick=${onClose}>Keep it</button>
        <button type="button" class="small danger" autofocus onClick=${sure}>Delete</button>
      </div>
    <//>`;
}

function CopyDialog({ text, onClose }) {
  return html`
    <${Dialog} label="Copy the link" kind="question" onClose=${onClose}>
      <label for="copied">This browser lets nobody copy from here; here it is to be taken by hand:</label>
      <input id="copied" type="text" readonly value=${text} dir="ltr" ref=${(field) => field?.select()} />
      <div class="answers"><button type="button" class="small" onClick=${onClose}>Done</button></div>
    <//>`;
}

const HELP = [
  ["Writing", [
    [["Enter"], "send"], [["Shift", "Enter"], "start a new line"], [["↑"], "change your last message, in an empty field"],
    [["@"], "mention somebody"], [["Esc"], "close, cancel, or back to writing"],
  ]],
  ["Getting around", [
    [[MOD, "K"], "go to a room or a person"], [["Alt", "↑"], "room above"], [["Alt", "↓"], "room below"],
    [["Alt", "Shift", "↓"], "next unread room"], [[MOD, "/"], "this list; also ? outside a field"],
  ]],
  ["In the messages, where Shift Tab leads from the field", [
    [["↑", "↓"], "from message to message"], [["R"], "react"], [["C"], "copy its link"],
    [["E"], "edit your own"], [["Del"], "delete your own"], [["M"], "moderate its author, as a moderator"],
  ]],
];

const MARKUP = [
  ["**strong**", html`<strong>strong</strong>`], ["*stressed*", html`<em>stressed</em>`], ["~~struck~~", html`<del>struck</del>`],
  ["`code`", html`<code>code</code>`], ["> quoted", "a quotation"], ["- one", "a list, from two lines on"],
  ["```", "a block of code between two"],
];

function Help({ onClose }) {
  const keys = (all) => all.map((key, index) => html`${index > 0 && " "}<kbd>${key}</kbd>`);
  return html`
    <${Dialog} label="Keys and markup" kind="help" onClose=${onClose}>
      <div class="help-head"><h2>Keys and markup</h2>
        <button type="button" class="tool" aria-label="Close" onClick=${onClose}><${CloseIcon} /></button></div>
      <div class="help-columns">
        ${HELP.map(([title, lines]) => html`<section><h3>${title}</h3><dl>
          ${lines.map(([all, does]) => html`<div><dt>${keys(all)}</dt><dd>${does}</dd></div>`)}</dl></section>`)}
        <section><h3>Markup</h3><dl>
          ${MARKUP.map(([typed, is]) => html`<div><dt><code>${typed}</code></dt><dd>${is}</dd></div>`)}</dl></section>
      </div>
    <//>`;
}
