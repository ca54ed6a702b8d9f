/** From a model to the text of a configuration file: a new one, or an old one with its comments. Pure. */

import { isDeepStrictEqual } from 'node:util';

import {
  Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import {
  BeelineError,
  type Destination,
  diffModels,
  familyOf,
  type MarkKey,
  markMatchName,
  type Model,
  parseIp,
  parseMarkMatch,
  type ServicePolicy,
} from '../model/index.js';
import { parseConfig } from './parse.js';

/** What stands in a file: without what is undefined. */
type Value = string | number | boolean | readonly Value[] | Mapping;
interface Mapping {
  readonly [key: string]: Value;
}

/** A model as its file says it: what is as it is by default is left out. */
export function configOf(model: Model): Mapping {
  const { interfaces, mode, fragments, vlans, directors, timeouts, flows, services } = model;
  const marks = marksOf(model);
  return mapping({
    interfaces,
    mode: mode === 'native' ? undefined : mode,
    fragments,
    vlans,
    directors,
    timeouts: overrides(timeouts),
    flows: overrides(flows),
    services: services.map(({ address, port, protocol, ...policy }) =>
      mapping({ address, port, protocol: protocol === 'tcp' ? undefined : protocol, ...policyOf(policy) }),
    ),
    marks: marks.length === 0 ? undefined : marks,
  });
}

/** The text of a new file. */
export function formatConfig(model: Model): string {
  const document = new Document(configOf(model));
  shorten(document.contents);
  return textOf(document, '');
}

/** Marks' rules and services, by mark and family: the services first, in their order. */
function marksOf({ markServices = [], markRules = [] }: Model): Mapping[] {
  const rulesOf = ({ mark, family }: MarkKey): string[] =>
    markRules
      .filter(({ mark: each, match }) => each === mark && familyOf(match.address) === family)
      .map(({ match }) => markMatchName(match));
  const entry = (key: MarkKey, policy: object): Mapping =>
    mapping({
      mark: key.mark,
      family: key.family === 6 ? 'ipv6' : undefined,
      match: rulesOf(key),
      ...policy,
    });
  const served = new Set(markServices.map(keyOf));
  const ruled = new Map(
    markRules
      .map(({ mark, match }): MarkKey => ({ mark, family: familyOf(match.address) }))
      .filter((key) => !served.has(keyOf(key)))
      .map((key) => [keyOf(key), key]),
  );
  return [
    ...markServices.map(({ mark, family, ...policy }) => entry({ mark, family }, policyOf(policy))),
    ...[...ruled.values()].map((key) => entry(key, {})),
  ];
}

function keyOf({ mark, family }: MarkKey): string {
  return `${mark} ${family}`;
}

function policyOf(policy: ServicePolicy): Record<string, unknown> {
  const { scheduler, flags, track, persistence, onePacket, timeouts, ttl, noDestination, slots, destinations } = policy;
  return {
    scheduler,
    flags,
    track,
    persistence:
      persistence === undefined || persistence.mask !== undefined
        ? persistence && mapping({ ...persistence })
        : persistence.timeout,
    onePacket,
    timeouts: overrides(timeouts),
    ttl,
    noDestination,
    slots,
    realServers: destinations.map(realServerOf),
  };
}

/** A real server of weight 1 is its address alone. */
function realServerOf({ address, weight, mac, interface: name, vlan, ...thresholds }: Destination): Value {
  const { upperThreshold, lowerThreshold } = thresholds;
  const tags = vlan?.outer === undefined ? vlan?.id : { id: vlan.id, outer: vlan.outer };
  const all = mapping({ address, weight, mac, interface: name, vlan: tags, upperThreshold, lowerThreshold });
  return weight === 1 && Object.keys(all).length === 2 ? address : all;
}

function overrides(values: object | undefined): Mapping | undefined {
  const some = values === undefined ? {} : mapping({ ...values });
  return Object.keys(some).length === 0 ? undefined : some;
}

function mapping(values: Readonly<Record<string, unknown>>): Mapping {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Mapping;
}

/**
 * A file's text changed so that it says what a model is. What did not change stays as it is written, with its comments.
 *
 * @param text of a file without problems
 * @throws BeelineError `INTERNAL` where what it would write does not read as the model
 */
export function updateConfig(text: string, model: Model, fileName: string): string {
  const before = parseConfig(text, fileName);
  if (diffModels(before, model).length === 0) {
    return text;
  }
  // What an anchor names may be changed in one place and not in another: then each has a copy of its own.
  for (const expand of [false, true]) {
    const updated = attempt(text, before, model, expand);
    if (updated !== undefined && diffModels(parseConfig(updated, fileName), model).length === 0) {
      return updated;
    }
  }
  throw new BeelineError('INTERNAL', `what would be written to ${fileName} does not say what is running`);
}

function attempt(text: string, before: Model, model: Model, expand: boolean): string | undefined {
  const document: Document = parseDocument(text, { stringKeys: true });
  if (expand) {
    expandAliases(document);
  }
  if (!isMap(document.contents)) {
    document.contents = document.createNode({});
  }
  try {
    mergeMap(document, document.contents as YAMLMap, fullOf(before), fullOf(model));
    return textOf(document, text);
  } catch (error) {
    // An alias of what is gone.
    if (error instanceof ReferenceError && !expand) {
      return undefined;
    }
    throw error;
  }
}

/** Real servers as mappings all of them, so that they are compared key by key. */
function fullOf(model: Model): Mapping {
  const full = (services: Value | undefined): Value | undefined =>
    (services as Mapping[] | undefined)?.map((service) =>
      mapping({
        ...service,
        realServers: (service['realServers'] as Value[] | undefined)?.map((each) =>
          typeof each === 'string' ? { address: each, weight: 1 } : each,
        ),
      }),
    );
  const config = configOf(model);
  return mapping({ ...config, services: full(config['services']), marks: full(config['marks']) });
}

function expandAliases(document: Document): void {
  visit(document, {
    Alias: (_key, alias) => {
      const copy = alias.resolve(document)?.clone() as Node | undefined;
      if (isScalar(copy) || isCollection(copy)) {
        delete copy.anchor;
      }
      return copy;
    },
  });
  visit(document, {
    Node: (_key, node) => {
      if (!isAlias(node)) {
        delete (node as Scalar).anchor;
      }
    },
  });
}

/** Lists whose entries have an identity, by the keys that they stand under. */
const IDENTITIES: Readonly<Record<string, (entry: Mapping) => string>> = {
  services: ({ address, port, protocol }) =>
    [canonical(address), textValue(port), protocol === undefined ? 'tcp' : textValue(protocol)].join(' '),
  marks: ({ mark, family }) => `${textValue(mark)} ${family === undefined ? 'ipv4' : textValue(family)}`,
  realServers: ({ address }) => canonical(address),
};

function textValue(value: Value | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function canonical(address: Value | undefined): string {
  return parseIp(textValue(address)) ?? textValue(address);
}

function mergeMap(document: Document, map: YAMLMap, before: Mapping, after: Mapping): void {
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
  } else if (isSeq(value) && value.items.length > 0 && Array.isArray(next)) {
    mergeWords(document, value, next as Value[]);
  } else if (isMap(value) && isMapping(old) && isMapping(next)) {
    mergeMap(document, value, old, next);
  } else if (isScalar(value) && typeof next !== 'object') {
    value.value = next;
  } else {
    setValue(document, map, key, next);
  }
}

function isMapping(value: Value | undefined): value is Mapping {
  return typeof value === 'object' && !Array.isArray(value);
}

/** Entries in the order that they have now, each with what was written of it. */
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

/** The order of entries without real servers, marks' rules alone, is nobody's concern: they stay where they are. */
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

/** A list of names: those that stay keep their place among what stays, and their comments. */
function mergeWords(document: Document, list: YAMLSeq, after: readonly Value[]): void {
  const items = new Map(list.items.map((item) => [wordOf((item as Node).toJS(document) as Value), item as Node]));
  list.items = after.map((word) => items.get(wordOf(word)) ?? create(document, word, list.flow === true));
}

/** In one spelling. */
function wordOf(value: Value): string {
  const text = textValue(value);
  const match = parseMarkMatch(text);
  return match === undefined ? canonical(text) : markMatchName(match);
}

/** What stands in a list, real servers by their addresses alone among it. */
function writtenEntry(document: Document, item: Node): Mapping {
  const value = item.toJS(document, { maxAliasCount: -1 }) as Value;
  return isMapping(value) ? value : { address: value };
}

/** A mapping where an address, or an alias, stood alone. */
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

/** As people would write it: what fits a line is on one, and a real server of weight 1 is its address alone. */
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

/** Lists of words, and mappings without lists, in one line each. */
function shorten(root: Node | null): void {
  visit(root, {
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

function textOf(document: Document, like: string): string {
  const text = document.toString({ lineWidth: 0, indentSeq: !/^[A-Za-z]+: *(#.*)?\r?\n- /m.test(like) });
  // The library has spaces within both kinds of brackets or within none.
  const tight = /\[ |\S \]/.test(like)
    ? text
    : text.replace(/\[ (?=\S)/g, '[').replace(/(?<=\S) \](?=[,\s}\]]|$)/gm, ']');
  return like.includes('\r\n') ? tight.replace(/\r?\n/g, '\r\n') : tight;
}
