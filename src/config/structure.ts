/** Refuses YAML that a configuration does not need: merge keys, keys that are not text, aliases without an anchor. */

import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, type Document, type Node, type Scalar } from 'yaml';

/** A problem of the text, which has no path in the configuration. */
export interface TextProblem {
  /** The offset in the text, from 0. */
  readonly offset: number;
  readonly message: string;
}

/**
 * The most values of a file, with aliases expanded: far more than the largest director has, and few enough to check. Nine
 * aliases of nine aliases, and so on, would fill any memory.
 */
const MAX_VALUES = 1_000_000;

/** Returns problems because of which the rest cannot be checked, in the order of the text. */
export function findTextProblems(document: Document): TextProblem[] {
  const walk = new Walk();
  const values = walk.count(document.contents);
  if (walk.problems.length === 0 && values > MAX_VALUES && walk.largest !== undefined) {
    return [
      { offset: walk.largest.offset, message: `is too large: with its aliases expanded the file has ${values} values` },
    ];
  }
  return walk.problems;
}

class Walk {
  readonly problems: TextProblem[] = [];
  /** The alias with the most values. */
  largest: { readonly offset: number; readonly values: number } | undefined;
  /** The number of values of each anchor; undefined while they are being counted. */
  readonly #anchors = new Map<string, number | undefined>();

  /** Returns the number of values of a node, with aliases expanded. */
  count(node: unknown): number {
    if (isAlias(node)) {
      return this.#countAlias(node.source, offsetOf(node));
    }
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined;
    if (anchor !== undefined) {
      this.#anchors.set(anchor, undefined);
    }
    const values = this.#countInside(node);
    if (anchor !== undefined) {
      this.#anchors.set(anchor, values);
    }
    return values;
  }

  #countInside(node: unknown): number {
    const items = isMap(node)
      ? node.items.flatMap(({ key, value }) => (this.#isKey(key) ? [value] : []))
      : isSeq(node)
        ? node.items.map((item) => (isPair(item) ? item.value : item))
        : [];
    return items.reduce<number>((sum, item) => sum + this.count(item), 1);
  }

  #isKey(key: unknown): boolean {
    const scalar = isScalar(key) ? key : undefined;
    if (typeof scalar?.value !== 'string' || isEmpty(scalar)) {
      this.problems.push({ offset: offsetOf(key), message: 'keys must be plain text' });
      return false;
    }
    if (scalar.value === '<<') {
      this.problems.push({ offset: offsetOf(key), message: 'YAML merge keys (<<) are not supported' });
      return false;
    }
    return true;
  }

  #countAlias(name: string, offset: number): number {
    const values = this.#anchors.get(name);
    if (values === undefined) {
      const message = this.#anchors.has(name)
        ? `the alias *${name} is inside its own anchor`
        : `the alias *${name} has no anchor &${name} before it`;
      this.problems.push({ offset, message });
      return 0;
    }
    if (values > (this.largest?.values ?? 0)) {
      this.largest = { offset, values };
    }
    return values;
  }
}

/** Returns whether there is no key, as in "? " or ": value". */
function isEmpty({ source, type }: Scalar): boolean {
  return type === 'PLAIN' && source === '';
}

function offsetOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}
