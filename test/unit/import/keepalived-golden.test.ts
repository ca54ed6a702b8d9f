/**
 * Whole files of keepalived, each with the configuration and the report that come of it. WRITE_GOLDEN=1 writes both anew, to be
 * read before they are committed.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { formatConfig, parseConfig } from '../../../src/config/index.js';
import { type Files, formatReport, importKeepalived } from '../../../src/import/index.js';
import { PORTS } from '../../support/keepalived.js';

const FOLDER = 'test/golden/import/keepalived';

const FILES: Files = {
  list: (folder) =>
    statSync(join(FOLDER, folder), { throwIfNoEntry: false }) ? readdirSync(join(FOLDER, folder)) : undefined,
  read: (path) => readFileSync(join(FOLDER, path)),
};

const confs = readdirSync(FOLDER).filter((name) => name.endsWith('.conf'));

test('there are files of every kind', () => {
  assert.ok(confs.length >= 12, confs.join(', '));
});

for (const conf of confs) {
  test(`${conf}: configuration and report stay what somebody has read`, () => {
    const { model, remarks } = importKeepalived({
      paths: [conf],
      files: FILES,
      names: PORTS,
      id: 'lb2',
      environment: { SITE: 'north' },
    });
    const made = { yaml: formatConfig(model), report: formatReport(remarks, { file: conf }) };
    for (const [ending, text] of Object.entries(made)) {
      const path = join(FOLDER, conf.replace(/conf$/, ending));
      if (process.env['WRITE_GOLDEN'] !== undefined) {
        writeFileSync(path, text);
      }
      assert.equal(text, readFileSync(path, 'utf8'), path);
    }
    const { mode: _mode, ...read } = parseConfig(made.yaml, 'beeline.yaml');
    const { mode: _made, ...expected } = model;
    assert.deepEqual(read, expected);
  });

  test(`${conf}: each statement has a remark, so that nothing is lost in silence`, () => {
    const { remarks } = importKeepalived({ paths: [conf], files: FILES, names: PORTS, id: 'lb2' });
    const told = new Set<string>();
    for (const { file, line, lastLine = line } of remarks) {
      for (let each = line; each <= lastLine; each += 1) {
        told.add(`${file!}:${each}`);
      }
    }
    const silent = readFileSync(join(FOLDER, conf), 'utf8')
      .split('\n')
      .flatMap((text, i) =>
        /^\s*([!#].*|[{}\s\\]*([!#].*)?)$/.test(text) || told.has(`${conf}:${i + 1}`) ? [] : [`${i + 1} ${text}`],
      );
    assert.deepEqual(silent, []);
  });
}
