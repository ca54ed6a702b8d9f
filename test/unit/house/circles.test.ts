/** No circles of files: no file in src/ imports itself by way of others, types included. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

import ts from 'typescript';

/** Returns the files of this tree that a file imports. */
function importsOf(file: string): string[] {
  return ts
    .preProcessFile(readFileSync(file, 'utf8'))
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName).replace(/\.js$/, '.ts'));
}

/** Returns a circle of imports, as a path whose ends are the same file; undefined if there is none. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) {
      return [...path.slice(path.indexOf(file)), file];
    }
    if (done.has(file)) {
      return undefined;
    }
    for (const imported of graph.get(file) ?? []) {
      const circle = visit(imported, [...path, file]);
      if (circle !== undefined) {
        return circle;
      }
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle !== undefined) {
      return circle;
    }
  }
  return undefined;
}

test('a circle is found, also behind files without one', () => {
  const graph = new Map([
    ['a', ['b', 'c']],
    ['b', []],
    ['c', ['d']],
    ['d', ['b', 'c']],
  ]);
  assert.deepEqual(findCircle(graph), ['c', 'd', 'c']);
  assert.equal(findCircle(new Map([...graph, ['d', ['b']]])), undefined);
});

test('no file imports itself by way of others', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', file));
  assert.ok(files.length > 100);
  const graph = new Map(files.map((file) => [file, importsOf(file)]));
  assert.ok([...graph.values()].flat().every((file) => graph.has(file)));
  assert.equal(findCircle(graph)?.join(' -> '), undefined);
});
