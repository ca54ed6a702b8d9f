/** Parses the text of a configuration file: to a model, or to all problems with line and column. */

import { hostname } from 'node:os';

import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';

import { BeelineError, type Model, printableName } from '../model/index.js';
import { findContradictions } from './contradictions.js';
import { forHost, isHost, placeFor } from './hosts.js';
import { type FoundProblem, problemsOf, valueAt } from './issues.js';
import type { Path, Problem } from './problem.js';
import { type Config, configSchema } from './schema.js';
import { modelOfHandOver } from './schema-hand-over.js';
import { modelOfVrrp, vrrpInstance } from './schema-vrrp.js';
import { findTextProblems } from './structure.js';

export interface PlacedProblem extends Problem {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** More would not help, and aliases can make a million of one problem. */
const MAX_LINES = 100;

/** A file with problems. The message has one line for each, in the form of compilers: "file:line:column: …". */
export class ConfigError extends BeelineError {
  readonly problems: readonly PlacedProblem[];

  constructor(fileName: string, problems: readonly PlacedProblem[]) {
    const name = printableName(fileName);
    const lines = problems
      .slice(0, MAX_LINES)
      .map(({ line, column, path, message }) =>
        [`${name}:${line}:${column}:`, formatPath(path), message].filter((part) => part !== '').join(' '),
      );
    if (problems.length > MAX_LINES) {
      lines.push(`${name}: and ${problems.length - MAX_LINES} more`);
    }
    super('CONFIG_INVALID', lines.join('\n'));
    this.problems = problems;
  }
}

/** Replaces messages of the YAML library that are meant for programmers. */
const YAML_MESSAGES: Readonly<Partial<Record<string, string>>> = {
  MULTIPLE_DOCS: 'must be one document: remove "---"',
  NON_STRING_KEY: 'keys must be plain text',
};

/**
 * Decodes UTF-8, the encoding of YAML.
 *
 * @throws ConfigError at the first byte that is not UTF-8
 */
export function decodeText(bytes: Uint8Array, fileName: string): string {
  const text = Buffer.from(bytes).toString('utf8');
  const again = Buffer.from(text);
  const wrong = bytes.findIndex((byte, i) => byte !== again[i]);
  if (wrong < 0) {
    return text;
  }
  const before = Buffer.from(bytes.subarray(0, wrong)).toString('utf8').split('\n');
  const place = { line: before.length, column: before.at(-1)!.length + 1 };
  throw new ConfigError(fileName, [{ path: [], message: 'is not UTF-8 text from here on', ...place }]);
}

/**
 * Parses a configuration file.
 *
 * @param fileName its name in messages
 * @param host for which of the file's hosts; default: this one
 * @throws ConfigError with all problems, in the order of the file
 */
export function parseConfig(text: string, fileName: string, host = hostname()): Model {
  try {
    return parse(text, fileName, host);
  } catch (error) {
    // The YAML library calls itself for each level, and so does everything that looks at what it read.
    if (error instanceof RangeError) {
      const message = 'is nested too deeply for a configuration';
      throw new ConfigError(fileName, [{ path: [], message, line: 1, column: 1 }]);
    }
    throw error;
  }
}

/**
 * Returns the models of the hosts that a file names, but for this one.
 *
 * @throws ConfigError as parseConfig() does
 */
export function otherHosts(
  text: string,
  fileName: string,
  host = hostname(),
): { readonly host: string; readonly model: Model }[] {
  const model = parseConfig(text, fileName, host);
  const { hosts } = (parseDocument(text).toJS({ maxAliasCount: -1 }) ?? {}) as Pick<Config, 'hosts'>;
  const names = Object.keys(hosts ?? {}).filter((name) => !isHost(host, name));
  // Of a file without VRRP nothing differs that others would have to know.
  return model.vrrp === undefined
    ? []
    : names.map((name) => ({ host: name, model: parseConfig(text, fileName, name) }));
}

function parse(text: string, fileName: string, host: string): Model {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  const inText =
    document.errors.length > 0
      ? document.errors.map(({ code, message, pos: [offset] }) => ({
          offset,
          message: YAML_MESSAGES[code] ?? message,
        }))
      : findTextProblems(document);
  if (inText.length > 0) {
    throw new ConfigError(
      fileName,
      inText.map(({ offset, message }) => ({ path: [], message, ...at(offset) })),
    );
  }

  // The number of values is checked already, so that many aliases of one list are no attack.
  const content: unknown = document.toJS({ maxAliasCount: -1 });
  const parsed = configSchema.safeParse(content ?? {});
  const problems = parsed.success
    ? contradictionsOnHosts(parsed.data, host)
    : [
        ...parsed.error.issues.flatMap((issue) => problemsOf(issue, content)),
        ...findContradictions(wellFormedParts(content)),
      ];
  if (!parsed.success || problems.length > 0) {
    const placed = firstOfEachPlace(withoutConsequences(problems.map((each) => asWritten(each, content))))
      .map((problem) => ({ problem, offset: offsetOf(document, problem) }))
      .sort((a, b) => a.offset - b.offset)
      .map(({ problem, offset }) => ({ ...problem, ...at(offset) }));
    throw new ConfigError(fileName, placed);
  }
  const { services, marks, vrrp, flowHandOver, ...rest } = forHost(parsed.data, host);
  return {
    ...rest,
    ...(vrrp !== undefined && { vrrp: modelOfVrrp(vrrp, rest.interfaces[0]!) }),
    ...(flowHandOver !== undefined && { flowHandOver: modelOfHandOver(flowHandOver) }),
    services: services.map(({ realServers, ...service }) => ({ ...service, destinations: realServers })),
    ...(marks !== undefined && modelOfMarks(marks)),
  };
}

/** Finds contradictions on the host, and on those that the file names: they are told with its name. */
function contradictionsOnHosts(content: Config, host: string): Problem[] {
  const others = Object.keys(content.hosts ?? {}).filter((name) => !isHost(host, name));
  return [host, ...others].flatMap((name, i) =>
    findContradictions(forHost(content, name)).map((problem) => ({
      ...problem,
      path: placeFor(content, name, problem.path),
      message: i === 0 ? problem.message : `on ${name}: ${problem.message}`,
    })),
  );
}

function modelOfMarks(marks: NonNullable<Config['marks']>): Pick<Model, 'markServices' | 'markRules'> {
  return {
    markServices: marks.flatMap(({ match: _match, realServers, family, ...policy }) =>
      realServers === undefined
        ? []
        : [{ ...policy, family: family === 'ipv6' ? 6 : (4 as const), destinations: realServers }],
    ),
    markRules: marks.flatMap(({ mark, match }) => match.map((each) => ({ mark, match: each }))),
  };
}

/** Returns the parts that are valid by themselves, so that contradictions among them are reported at the same time. */
function wellFormedParts(content: unknown): Parameters<typeof findContradictions>[0] {
  const { interfaces, services, marks, hostClients, clientBridges, flowHandOver } = configSchema.shape;
  const routers = valueAt(content, ['vrrp', 'instances']);
  const list = valueAt(content, ['services']);
  const marked = valueAt(content, ['marks']);
  return {
    interfaces: interfaces.safeParse(valueAt(content, ['interfaces'])).data,
    hostClients: hostClients.safeParse(valueAt(content, ['hostClients'])).data ?? true,
    clientBridges: clientBridges.safeParse(valueAt(content, ['clientBridges'])).data,
    flowHandOver: flowHandOver.safeParse(valueAt(content, ['flowHandOver'])).data,
    services: Array.isArray(list) ? list.map((each) => services.unwrap().element.safeParse(each).data) : [],
    marks: Array.isArray(marked) ? marked.map((each) => marks.unwrap().element.safeParse(each).data) : [],
    ...(Array.isArray(routers) && {
      vrrp: { instances: routers.map((each) => vrrpInstance.safeParse(each).data) },
    }),
  };
}

/** Leaves out problems that another one explains. */
function withoutConsequences(problems: readonly FoundProblem[]): Problem[] {
  const explained = problems.flatMap(({ explains }) =>
    explains === undefined ? [] : [JSON.stringify(explains).slice(0, -1)],
  );
  return problems.flatMap(({ explains, ...problem }) => {
    const path = JSON.stringify(problem.path);
    const isConsequence = explained.some((start) => path === `${start}]` || path.startsWith(`${start},`));
    return explains === undefined && isConsequence ? [] : [problem];
  });
}

/**
 * Returns a problem with the path that is in the file: of "health: http" the model has a list of checks, and the file only
 * a word.
 */
function asWritten(problem: FoundProblem, content: unknown): FoundProblem {
  const path: (string | number)[] = [];
  let value = content;
  for (const key of problem.path) {
    if (typeof value === 'string' || (typeof key === 'number' && !Array.isArray(value))) {
      continue;
    }
    path.push(key);
    value = valueAt(value, [key]);
  }
  return path.length === problem.path.length ? problem : { ...problem, path };
}

/** Keeps one message for each place: a text that should be a list breaks several rules at once. */
function firstOfEachPlace(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ path, atKey }) => {
    const place = JSON.stringify([path, atKey]);
    return !seen.has(place) && seen.add(place);
  });
}

/** Returns "services[0].realServers[1].address". */
function formatPath(path: Path): string {
  const text = path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
  return printableName(text);
}

/** Returns where a value or its key begins in the text; for a missing value, where the mapping begins. */
function offsetOf(document: Document, { path, atKey }: Problem): number {
  if (atKey === true) {
    const parent = document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1)) : undefined;
    return startOf(pair?.key) ?? 0;
  }
  for (let length = path.length; length > 0; length -= 1) {
    const start = startOf(document.getIn(path.slice(0, length), true));
    if (start !== undefined) {
      return start;
    }
  }
  return startOf(document.contents) ?? 0;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
