/** State that can be read between being set and being drawn: keys may follow each other sooner than frames do. */

import { useRef, useState } from "../vendor/vendor.js";

/** @returns {[value, set, latest]} `latest.current` is what was set last */
export function useLatest(initial) {
  const [value, setValue] = useState(initial);
  const latest = useRef(value);
  const set = (next) => {
    latest.current = next;
    setValue(next);
  };
  return [value, set, latest];
}
