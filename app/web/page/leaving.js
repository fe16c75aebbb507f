/** Asks whoever closes the tab while something of theirs has not reached the server: it waits in this tab alone. */

const ask = (event) => event.preventDefault();

/** Listen for as long as the page is there. */
export function warn(client) {
  // Only while there is something to lose: browsers keep pages that never ask ready for Back.
  const look = () => {
    if (client.pending().length) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  };
  client.on("outbox", look);
  look();
}
