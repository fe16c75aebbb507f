import { Parley } from "/client/parley.js";

const room = decodeURIComponent(location.hash.slice(1)) || "lobby";
const rows = new Map();
const parley = new Parley({ name: "Visitor" });

function show({ seq, of, name, text }) {
  if (of && !rows.has(of)) return; // older than what is shown
  const row = rows.get(of) ?? document.querySelector("ol").appendChild(document.createElement("li"));
  row.textContent = text ? `${name}: ${text}` : "(deleted)";
  rows.set(of ?? seq, row);
}

for (const type of ["message", "edited", "deleted"]) parley.on(type, show);
parley.on("state", ({ state }) => document.querySelector("output").value = state);
document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  parley.send(room, event.target.text.value).catch(alert); // shown when its event comes
  event.target.reset();
});
parley.connect();
(await parley.join(room)).messages.filter(({ type }) => type === "message").forEach(show);
