/** Guards of the house that no lint rule has: no circle of files, and no function of C or C++ that is too long to read. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

const MAX_LINES = 70;

function filesIn(folder: string, endings: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .map((path) => join(folder, path))
    .sort();
}

/** The files that a file imports or exports from by a statement, types included. */
function importsOf(file: string): string[] {
  const statements = readFileSync(file, 'utf8').matchAll(/^(?:import|export|\})[^;']*?from '(\.[^']*)\.js';$/gm);
  return Array.from(statements, ([, path]) => `${join(dirname(file), path!)}.ts`);
}

/** One circle of imports, as the path that leads back to its beginning; undefined when there is none. */
function findCircle(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) {
      return [...path.slice(path.indexOf(file)), file];
    }
    if (done.has(file)) {
      return undefined;
    }
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle !== undefined) {
        return circle;
      }
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = visit(file, []);
    if (circle !== undefined) {
      return circle;
    }
  }
  return undefined;
}

test('no file imports itself by a detour, which would leave the order of loading to chance', () => {
  const imports = new Map(filesIn('src', ['.ts']).map((file) => [file, importsOf(file)]));
  assert.ok(imports.size > 100 && imports.get('src/cli/program.ts')!.length > 0);
  for (const [file, targets] of imports) {
    targets.forEach((target) => {
      assert.ok(existsSync(target), `${file} imports ${target}`);
    });
  }
  assert.deepEqual(findCircle(imports), undefined);
  const circle = findCircle(new Map([...imports, ['src/model/error.ts', ['src/model/index.ts']]]))!;
  assert.ok(circle.includes('src/model/error.ts') && circle.at(0) === circle.at(-1), circle.join(' > '));
});

/** The functions of a C or C++ file with how many lines they have: from the line of "{" to that of "}", both unindented. */
function functionsOf(file: string): { name: string; lines: number }[] {
  const found: { name: string; lines: number }[] = [];
  let heading = '';
  let start = -1;
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, i) => {
      if (/^[A-Za-z].*\(/.test(line)) {
        heading = line;
        start = i;
      } else if (line.startsWith('}') && start >= 0) {
        found.push({ name: `${file}: ${heading}`, lines: i - start + 1 });
        start = -1;
      }
    });
  return found;
}

test('a function of the program or the addon fits a screen', () => {
  const functions = [...filesIn('bpf', ['.h', '.c']), ...filesIn('native/src', ['.h', '.cc'])].flatMap(functionsOf);
  assert.ok(functions.length > 250);
  assert.deepEqual(
    functions.filter(({ lines }) => lines > MAX_LINES),
    [],
  );
});
