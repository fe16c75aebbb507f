/** The keys that work anywhere on the page. */

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/** What the key for commands is called here. */
export const MOD = APPLE ? "⌘" : "Ctrl";

/** Listen for as long as the page is there. */
export function listen(chat) {
  addEventListener("keydown", (event) => {
    const { key, altKey, shiftKey } = event;
    const command = APPLE ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
    const inside = Boolean(chat.dialog.value);
    const named = chat.name.value && !chat.nameError.value;
    if (event.isComposing || event.defaultPrevented || !named) return;
    if (command && !altKey && !shiftKey && key.toLowerCase() === "k") {
      event.preventDefault();
      chat.dialog.value = chat.dialog.value?.kind === "switcher" ? null : { kind: "switcher" };
    } else if (!inside && altKey && !event.ctrlKey && !event.metaKey && (key === "ArrowUp" || key === "ArrowDown")) {
      event.preventDefault();
      chat.step(key === "ArrowUp" ? -1 : 1, shiftKey);
    } else if (!inside && ((command && key === "/") || (key === "?" && !writing(event.target)))) {
      event.preventDefault();
      chat.dialog.value = { kind: "help" };
    }
  });
}

/** Whether a key goes into a text. */
const writing = (element) => Boolean(element.closest?.("textarea, input"));
