/**
 * Runs in every page of a load test, before the page's own scripts: notes each message when its row enters the
 * document, and how late timers are, which is how busy the page's thread is. Changes nothing on the page.
 */
(() => {
  const EVERY_MS = 50;
  const KEPT = 5000;
  const MARK = /~pl~[a-p]{24}/;
  /** By seq, the row that showed it last. */
  const rows = new Map();
  let shown = [];
  let late = [];
  let due = performance.now() + EVERY_MS;

  function note(row, now) {
    const seq = Number(row.dataset.seq);
    if (!seq) return;
    const before = rows.get(seq);
    if (before === row) return;
    rows.delete(seq);
    rows.set(seq, row);
    if (before && !before.isConnected) return; // drawn anew
    shown.push([seq, MARK.exec(row.textContent)?.[0] ?? "", now, before ? 1 : 0]);
    if (rows.size > KEPT) rows.delete(rows.keys().next().value);
  }

  new MutationObserver((changes) => {
    const now = performance.now();
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") note(target, now);
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        if (node.matches("[data-seq]")) note(node, now);
        else for (const row of node.querySelectorAll("[data-seq]")) note(row, now);
      }
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-seq"] });

  setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - due));
    due = now + EVERY_MS;
  }, EVERY_MS);

  window.parleyLoad = {
    /** What was noted since the last time: rows as [seq, mark, time, whether it is there twice], lateness in ms. */
    take() {
      const taken = { shown, late, state: document.querySelector("[data-connection]")?.dataset.connection ?? "" };
      shown = [];
      late = [];
      return taken;
    },
    /** What the page shows now, from top to bottom. */
    read() {
      const sent = document.querySelectorAll("[role=log] [data-seq][data-state=sent]");
      return [...sent].map((row) => [Number(row.dataset.seq), MARK.exec(row.textContent)?.[0] ?? ""]);
    },
  };
})();
