/** From the schema's issues to problems: one for each mistake, in words. Pure. */

import type { z } from 'zod';

import type { Path, Problem } from './problem.js';
import { isKeyOfCheck } from './schema-check.js';
import { knownKeys } from './schema.js';
import { whyNotInVrrp } from './schema-vrrp.js';

type Issue = z.core.$ZodIssue;

export interface FoundProblem extends Problem {
  /** A mapping: all other problems of it, and in it, are consequences of this one. */
  readonly explains?: Path;
}

/** Lists whose entries need one of two keys. */
const NEED_ONE_OF: readonly unknown[] = ['steps', 'hooks'];

/** Longer values are cut in messages. */
const MOST_SHOWN = 100;

export function problemsOf(issue: Issue, content: unknown): FoundProblem[] {
  const path = issue.path as Path;
  const value = valueAt(content, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue.keys, path, value);
    case 'invalid_key':
      return issue.issues.slice(0, 1).map(({ message }) => ({ path, message, atKey: true }));
    case 'invalid_union':
      return issue.errors.length === 0
        ? [valueProblem(issue, path, value)]
        : branchFor(value, issue.errors).flatMap((error) =>
            problemsOf({ ...error, path: [...path, ...error.path] }, content),
          );
    default:
      return [valueProblem(issue, path, value)];
  }
}

function valueProblem({ message }: Issue, path: Path, value: unknown): Problem {
  if (value === undefined) {
    return { path, message: `is missing: it ${message}` };
  }
  return {
    path,
    message: message.includes('not "') || typeof value === 'object' ? message : `${message}, not ${shown(value)}`,
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

function unknownKeys(keys: readonly string[], path: Path, value: unknown): FoundProblem[] {
  const { type } = (value ?? {}) as { readonly type?: unknown };
  if (path.at(-1) === 'health' && path.length > 1 && keys.includes('type')) {
    // A check that stands where its health should: all other keys are consequences.
    const message = 'is not known here: write "checks: { type: … }", and what else is of the check beside its type';
    return [{ path: [...path, 'type'], message, atKey: true, explains: path }];
  }
  const where = path.includes('health') && typeof type === 'string' ? `in a ${type} check` : 'here';
  // That the key is missing whose name is wrong would be said of these mappings as a whole.
  const explains = NEED_ONE_OF.includes(path.at(-2)) ? { explains: path } : {};
  const ofCheck = (key: string): boolean => path.at(-1) === 'health' && path.length > 1 && isKeyOfCheck(key);
  return keys.map((key) => ({
    path: [...path, key],
    message: ofCheck(key)
      ? `is a setting of a check: write "checks: { type: …, ${key}: … }"`
      : ((path[0] === 'vrrp' ? whyNotInVrrp(key) : undefined) ??
        `is not known ${where}; known are ${knownKeys(path, value).join(', ')}`),
    atKey: true,
    ...explains,
  }));
}

/** Returns the errors of the branch that is meant: it says what is wrong, and others only that the kind is wrong. */
function branchFor(value: unknown, branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const within = branches.findLast((errors) => errors.every(({ path: [first] }) => first !== undefined));
  const ofKind =
    typeof value === 'object' && value !== null ? branches.findLast((errors) => !errors.some(refusesKind)) : undefined;
  return within ?? ofKind ?? (typeof value === 'string' ? branches[0] : branches.at(-1))!;
}

/** Whether a branch refuses a mapping or a list because it is one, whatever is in it. */
function refusesKind(error: Issue): boolean {
  if (error.path.length > 0) {
    return false;
  }
  switch (error.code) {
    case 'invalid_type':
    case 'invalid_value':
      return true;
    case 'invalid_union':
      return error.errors.length > 0 && error.errors.every((branch) => branch.some(refusesKind));
    default:
      return false;
  }
}

export function valueAt(content: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined,
    content,
  );
}
