/** From the text of a configuration file to a model, or to every problem with its line and column. */

import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';

import { BeelineError, type Model } from '../model/index.js';
import { findContradictions } from './contradictions.js';
import { configSchema, knownKeys } from './schema.js';

/** Keys and indices from the top of the document to a value. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** Completes "services[0].port …": "must be a whole number from 0 to 65535". */
  readonly message: string;
  /** The key is the problem, not its value. */
  readonly atKey?: boolean;
}

export interface PlacedProblem extends Problem {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** A file with problems; the message has one line each, as compilers write them: "file:line:column: …". */
export class ConfigError extends BeelineError {
  readonly problems: readonly PlacedProblem[];

  constructor(fileName: string, problems: readonly PlacedProblem[]) {
    const lines = problems.map(({ line, column, path, message }) =>
      [`${fileName}:${line}:${column}:`, formatPath(path), message].filter((part) => part !== '').join(' '),
    );
    super('CONFIG_INVALID', lines.join('\n'));
    this.problems = problems;
  }
}

/**
 * Parses a configuration file.
 *
 * @param fileName what messages call it
 * @throws ConfigError with all problems in the order in which they stand in the file
 */
export function parseConfig(text: string, fileName: string): Model {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => ({ path: [], message, ...at(pos[0]) }));
    throw new ConfigError(fileName, problems);
  }

  const content: unknown = document.toJS();
  const parsed = configSchema.safeParse(content ?? {});
  const problems = parsed.success
    ? findContradictions(parsed.data)
    : parsed.error.issues.flatMap((issue) => problemsOf(issue, content));
  if (!parsed.success || problems.length > 0) {
    const placed = problems
      .map((problem) => ({ problem, offset: offsetOf(document, problem) }))
      .sort((a, b) => a.offset - b.offset)
      .map(({ problem, offset }) => ({ ...problem, ...at(offset) }));
    throw new ConfigError(fileName, placed);
  }
  const { services, ...rest } = parsed.data;
  return {
    ...rest,
    services: services.map(({ realServers, ...service }) => ({ ...service, destinations: realServers })),
  };
}

/** "services[0].realServers[1].address" */
function formatPath(path: Path): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

function problemsOf(issue: z.core.$ZodIssue, content: unknown): Problem[] {
  const path = issue.path as Path;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `is not known here; known are ${knownKeys(path).join(', ')}`,
        atKey: true,
      }));
    case 'invalid_union': {
      // The branch for the kind of value that stands there says what is wrong with it; the other only that it is not it.
      const branch = issue.errors.findLast((errors) => errors.every(({ path: [first] }) => first !== undefined));
      const errors = branch ?? (typeof valueAt(content, path) === 'string' ? issue.errors[0] : issue.errors.at(-1));
      return errors!.flatMap((error) => problemsOf({ ...error, path: [...path, ...error.path] }, content));
    }
    default: {
      const value = valueAt(content, path);
      if (value === undefined) {
        return [{ path, message: `is missing: it ${issue.message}` }];
      }
      const found =
        issue.message.includes('not "') || typeof value === 'object' ? '' : `, not ${JSON.stringify(value)}`;
      return [{ path, message: issue.message + found }];
    }
  }
}

function valueAt(content: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined,
    content,
  );
}

/** Where a value, or its key, begins in the text; of what is missing, where the mapping that should have it begins. */
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
