/** Names of files by patterns, as glob(3) finds them with GLOB_BRACE. Pure: a function lists folders. */

/** Patterns with more alternatives than these are no configuration's. */
const MOST_ALTERNATIVES = 1000;
/** PATH_MAX. */
const MOST_CHARACTERS = 4096;

/** @returns the names in a folder; undefined: there is no such folder */
export type List = (folder: string) => readonly string[] | undefined;

/** Returns whether a pattern can match other names than its own. */
export function isPattern(text: string): boolean {
  return /[*?[{]/.test(text);
}

/** Returns the paths that match a pattern, in order. Undefined: it has too many alternatives, or is too long. */
export function glob(pattern: string, list: List): string[] | undefined {
  return pattern.length > MOST_CHARACTERS ? undefined : alternatives(pattern)?.flatMap((each) => matches(each, list));
}

/** Returns the texts that "{a,b}" stands for, nested ones too; a brace without its end stands for itself. */
function alternatives(pattern: string): string[] | undefined {
  let open: readonly string[] = [pattern];
  const done: string[] = [];
  while (open.length > 0) {
    const next: string[] = [];
    for (const each of open) {
      const parts = firstBraces(each);
      if (parts === undefined) {
        done.push(each);
      } else {
        next.push(...parts);
      }
    }
    if (done.length + next.length > MOST_ALTERNATIVES) {
      return undefined;
    }
    open = next;
  }
  return done;
}

function firstBraces(text: string): string[] | undefined {
  const start = text.indexOf('{');
  if (start < 0) {
    return undefined;
  }
  const parts: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{') {
      depth += 1;
    } else if (character === ',' && depth === 1) {
      parts.push(text.slice(from, at));
      from = at + 1;
    } else if (character === '}') {
      depth -= 1;
      if (depth === 0) {
        parts.push(text.slice(from, at));
        return parts.map((part) => `${text.slice(0, start)}${part}${text.slice(at + 1)}`);
      }
    }
  }
  return undefined;
}

function matches(pattern: string, list: List): string[] {
  const parts = pattern.split('/').filter((part) => part !== '');
  let found = [pattern.startsWith('/') ? '/' : ''];
  parts.forEach((part, i) => {
    // A part without a pattern in the middle need not be looked for: its folder will have nothing.
    const isSure = !isPattern(part) && i < parts.length - 1;
    found = found.flatMap((folder) =>
      (isSure ? [part] : namesIn(folder, part, list)).map((name) =>
        folder === '' || folder === '/' ? `${folder}${name}` : `${folder}/${name}`,
      ),
    );
  });
  return parts.length === 0 ? [] : found;
}

function namesIn(folder: string, part: string, list: List): readonly string[] {
  if (part === '.' || part === '..') {
    return [part];
  }
  const names = list(folder === '' ? '.' : folder) ?? [];
  return isPattern(part)
    ? names.filter((name) => (!name.startsWith('.') || part.startsWith('.')) && isMatch(name, part)).sort()
    : names.filter((name) => name === part);
}

/** Goes back to the last "*" alone, so that it takes no more than the product of both lengths. */
function isMatch(name: string, pattern: string): boolean {
  const tokens = tokensOf(pattern);
  let [i, j, star, from] = [0, 0, -1, 0];
  while (i < name.length) {
    const token = tokens[j];
    if (token === '*') {
      [star, from] = [j, i];
      j += 1;
    } else if (token?.(name[i]!) === true) {
      i += 1;
      j += 1;
    } else if (star >= 0) {
      from += 1;
      [i, j] = [from, star + 1];
    } else {
      return false;
    }
  }
  return tokens.slice(j).every((token) => token === '*');
}

type Token = '*' | ((character: string) => boolean);

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at]!;
    const end = character === '[' ? pattern.indexOf(']', at + 2) : -1;
    if (character === '*') {
      tokens.push('*');
    } else if (character === '?') {
      tokens.push(() => true);
    } else if (end > 0) {
      tokens.push(setOf(pattern.slice(at + 1, end)));
      at = end;
    } else {
      tokens.push((each) => each === character);
    }
  }
  return tokens;
}

function setOf(text: string): (character: string) => boolean {
  const negated = text.startsWith('!') || text.startsWith('^');
  const body = negated ? text.slice(1) : text;
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < body.length; at += 1) {
    const last = body[at + 1] === '-' ? body[at + 2] : undefined;
    ranges.push([body[at]!, last ?? body[at]!]);
    at += last === undefined ? 0 : 2;
  }
  return (each) => ranges.some(([low, high]) => each >= low && each <= high) !== negated;
}
