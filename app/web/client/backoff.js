/**
 * When to try again, and whether at all.
 *
 * Full jitter: the whole delay is random, so that the tabs of a restarted server do not come back in step.
 */

export const BASE_SECONDS = 0.5;
export const CAP_SECONDS = 15;

/** Seconds to wait before try number `tries` (0 is the first): uniform in [0, min(cap, base * 2^tries)). */
export function delay(tries, random = Math.random) {
  return random() * Math.min(CAP_SECONDS, BASE_SECONDS * 2 ** tries);
}

/** Close codes after which a client stays away, and what they mean for the person in front of it. */
const FINAL = new Map([
  [1000, "The server said goodbye."],
  [4500, "The server does not accept this sign-in."],
  [4501, "The server could not understand this page."],
  [4502, "The server did not hear from this page in time."],
  [4503, "You were removed from this server."],
  [4504, "You are banned from this server."],
  [4505, "There are too many connections from here."],
  [4506, "This page is too old for the server. Reload it."],
]);

/**
 * The close-code table of the protocol.
 *
 * Every other code reconnects: what is lost, restarted, overloaded or slow comes back. Codes from 4500 up that this
 * version does not know follow the rule of their range and stay away.
 *
 * @returns {{reconnect: boolean, meaning: string}}
 */
export function verdict(code) {
  if (FINAL.has(code)) return { reconnect: false, meaning: FINAL.get(code) };
  if (code >= 4500 && code <= 4999) return { reconnect: false, meaning: "The server ended the connection." };
  return { reconnect: true, meaning: "" };
}
