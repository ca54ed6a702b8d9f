/** Merges changed values into a YAML document, so that everything else keeps its comments and its form. */

import { isDeepStrictEqual } from 'node:util';

import {
  type Document,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import { parseVip } from '../model/index.js';
import { fullHealth } from './to-config-health.js';
import { isMapping, type Mapping, type Value } from './value.js';

/** The lists whose entries have an identity, by their keys. */
const IDENTITIES: Readonly<Record<string, (entry: Mapping) => string>> = {
  services: ({ address, port, protocol }) =>
    [canonical(address), textValue(port), protocol === undefined ? 'tcp' : textValue(protocol)].join(' '),
  marks: ({ mark, family }) => `${textValue(mark)} ${family === undefined ? 'ipv4' : textValue(family)}`,
  realServers: ({ address }) => canonical(address),
};

/** Keys whose value is one of something, or a list. */
const ONE_OR_LIST: readonly string[] = ['checks', 'fallback', 'status'];

function textValue(value: Value | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function canonical(address: Value | undefined): string {
  return parseVip(textValue(address)) ?? textValue(address);
}

export function mergeMap(document: Document, map: YAMLMap, before: Mapping, after: Mapping): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[key], after[key]];
    if (next === undefined) {
      if (key in before) {
        map.delete(key);
      }
    } else if (!isDeepStrictEqual(old, next)) {
      mergeKey(document, map, key, old, next);
    }
  }
}

function mergeKey(document: Document, map: YAMLMap, key: string, old: Value | undefined, next: Value): void {
  const value = map.get(key, true) as Node | undefined;
  const identity = IDENTITIES[key];
  if (identity !== undefined && Array.isArray(next)) {
    const list = isSeq(value) ? value : undefined;
    if (list === undefined || (list.items.length === 0 && map.flow !== true)) {
      setValue(document, map, key, next);
    } else {
      mergeList(document, list, (old ?? []) as Mapping[], next as Mapping[], identity);
    }
  } else if (key === 'health' && isMap(value)) {
    mergeMap(document, value, fullHealth(old), fullHealth(next));
  } else if (isSeq(value) && value.items.length > 0 && (Array.isArray(next) || ONE_OR_LIST.includes(key))) {
    mergeItems(document, value, listOf(old), listOf(next));
  } else if (isMap(value) && isMapping(old) && isMapping(next)) {
    mergeMap(document, value, old, next);
  } else if (isScalar(value) && typeof next !== 'object') {
    value.value = next;
    quoteControls(value);
  } else {
    setValue(document, map, key, next);
  }
}

/** Brings entries into their new order. Each keeps its form in the text. */
function mergeList(
  document: Document,
  list: YAMLSeq,
  before: readonly Mapping[],
  after: readonly Mapping[],
  identity: (entry: Mapping) => string,
): void {
  const entries = new Map(before.map((entry) => [identity(entry), entry]));
  const items = new Map(list.items.map((item) => [identity(writtenEntry(document, item as Node)), item as Node]));
  list.items = inWrittenOrder([...items.keys()], after, identity).map((entry) => {
    const [known, item] = [entries.get(identity(entry)), items.get(identity(entry))];
    if (known === undefined || item === undefined) {
      return create(document, entry, list.flow === true);
    }
    if (isMap(item)) {
      mergeMap(document, item, known, entry);
    } else if (!isDeepStrictEqual(known, entry)) {
      return replacement(document, item, entry);
    }
    return item;
  });
}

/** Keeps entries of marks without real servers where they are: their order has no meaning. */
function inWrittenOrder(
  written: readonly string[],
  after: readonly Mapping[],
  identity: (entry: Mapping) => string,
): readonly Mapping[] {
  if (!after.some((entry) => 'mark' in entry)) {
    return after;
  }
  const place = (entry: Mapping): number =>
    (written.indexOf(identity(entry)) + written.length + 1) % (written.length + 1);
  const stable = after.toSorted((a, b) => place(a) - place(b));
  const services = (entries: readonly Mapping[]): Mapping[] => entries.filter((entry) => 'realServers' in entry);
  return isDeepStrictEqual(services(stable), services(after)) ? stable : after;
}

function listOf(value: Value | undefined): readonly Value[] {
  return Array.isArray(value) ? (value as readonly Value[]) : value === undefined ? [] : [value];
}

/** Merges a list of names, or of mappings that have none. Those that stay keep their form and their comments. */
function mergeItems(document: Document, list: YAMLSeq, before: readonly Value[], after: readonly Value[]): void {
  const items = list.items as Node[];
  const taken = new Set<number>();
  const same = after.map((value) => {
    const at = before.findIndex((each, i) => !taken.has(i) && isDeepStrictEqual(each, value));
    taken.add(at);
    return at;
  });
  list.items = after.map((value, i) => {
    const [item, old] = [items[same[i]!] ?? items[i], before[i]];
    if (item !== undefined && same[i]! >= 0) {
      return item;
    }
    if (isMap(item) && !taken.has(i) && isMapping(old) && isMapping(value)) {
      mergeMap(document, item, old, value);
      return item;
    }
    return create(document, value, list.flow === true);
  });
}

/** Returns an entry of a list as a mapping, also if it is only an address. */
function writtenEntry(document: Document, item: Node): Mapping {
  const value = item.toJS(document, { maxAliasCount: -1 }) as Value;
  return isMapping(value) ? value : { address: value };
}

/** Returns a mapping in place of an address or an alias. */
function replacement(document: Document, item: Node, entry: Mapping): Node {
  const node = create(document, entry, true);
  node.commentBefore = item.commentBefore ?? null;
  node.comment = item.comment ?? null;
  node.spaceBefore = item.spaceBefore ?? false;
  return node;
}

function setValue(document: Document, map: YAMLMap, key: string, next: Value): void {
  const pair = map.items.find(
    (each): each is Pair<Scalar, Node | null> => isScalar(each.key) && each.key.value === key,
  );
  const node = create(document, next, map.flow === true);
  if (pair === undefined) {
    map.add(document.createPair(key, node));
  } else {
    const old = pair.value;
    node.comment = isNode(old) && isScalar(node) ? (old.comment ?? null) : null;
    pair.value = node;
  }
}

/** Creates a node as people write it: short mappings on one line, and real servers of weight 1 as addresses. */
function create(document: Document, value: Value, flow: boolean): Node {
  const node: Node = document.createNode(brief(value), { flow });
  shorten(node);
  return node;
}

function brief(value: Value): Value {
  if (Array.isArray(value)) {
    return (value as Value[]).map(brief);
  }
  if (!isMapping(value)) {
    return value;
  }
  const { address, weight, realServers } = value;
  if (address !== undefined && weight === 1 && Object.keys(value).length === 2) {
    return address;
  }
  return realServers === undefined ? value : { ...value, realServers: brief(realServers) };
}

/** Characters that a text has for a program, not for a reader. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/;

/** Line breaks of a dialogue, "\\r\\n", are no lines of the file. */
function quoteControls(scalar: Scalar): void {
  if (typeof scalar.value === 'string' && CONTROLS.test(scalar.value)) {
    scalar.type = 'QUOTE_DOUBLE';
  }
}

/** Puts lists of words, mappings without lists, and texts on one line each. */
export function shorten(root: Node | null): void {
  visit(root, {
    Scalar: (_key, node) => {
      quoteControls(node);
    },
    Collection: (_key, node) => {
      const hasCollection = isSeq(node)
        ? node.items.some(isCollection)
        : node.items.some((pair) => isCollection(pair.value));
      if (!hasCollection && (isMap(node) || node.items.length <= 4)) {
        node.flow = true;
      }
    },
  });
}
