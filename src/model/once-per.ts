/** Functions of objects that nobody changes, computed once for each object: there may be thousands, and most stay as they are. */

/** Returns a function that calls `compute` once for an object, and later returns the same result for as long as the object lives. */
export function oncePer<Key extends object, Value extends object>(compute: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, Value>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) {
      value = compute(key);
      known.set(key, value);
    }
    return value;
  };
}
