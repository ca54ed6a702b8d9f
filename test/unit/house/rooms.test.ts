/** Which room may import which: the lint rule is there, and says no. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ESLint } from 'eslint';

/** Only the rule in question, and no types, for which all of TypeScript's program would be read: a minute of a CPU. */
const eslint = new ESLint({
  ruleFilter: ({ ruleId }) => ruleId === 'no-restricted-imports',
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
});

async function importErrors(file: string, source: string): Promise<string[]> {
  const [result] = await eslint.lintText(source, { filePath: file });
  return result!.messages.filter(({ ruleId }) => ruleId === 'no-restricted-imports').map(({ message }) => message);
}

test('imports from rooms that are not listed are refused', async () => {
  const forbidden = [
    ['src/model/error.ts', '../dataplane/index.js'],
    ['src/image/ring.ts', '../dataplane/index.js'],
    ['src/oracle/oracle.ts', '../dataplane/index.js'],
    ['src/cli/commands/status.ts', '../../libbpf/index.js'],
    ['src/cli/commands/status.ts', '../../dataplane/index.js'],
    ['src/cli/commands/map/map.ts', '../../../libbpf/index.js'],
    ['src/inspect/find.ts', '../director/index.js'],
    ['src/director/daemon.ts', '../inspect/index.js'],
    ['src/director/overlays/index.ts', '../../libbpf/index.js'],
    ['src/libbpf/map.ts', '../dataplane/index.js'],
    ['src/net/network.ts', '../libbpf/index.js'],
    ['src/ipvsadm/execute.ts', '../dataplane/index.js'],
    ['src/ipvsadm/execute.ts', '../config/index.js'],
  ];
  for (const [file, target] of forbidden) {
    const errors = await importErrors(file!, `import '${target!}';\n`);
    assert.equal(errors.length, 1, `${file!} imports ${target!}`);
  }
});

test("imports past a room's face are refused", async () => {
  const pastIt = [
    ['src/dataplane/dataplane.ts', '../libbpf/map.js'],
    ['src/cli/commands/status.ts', '../../control/server.js'],
    ['src/director/overlays/index.ts', '../../model/service.js'],
    ['src/bench/program/program.ts', '../../dataplane/map-set.js'],
  ];
  for (const [file, target] of pastIt) {
    const errors = await importErrors(file!, `import '${target!}';\n`);
    assert.equal(errors.length, 1, `${file!} imports ${target!}`);
  }
});

test('imports of the faces of listed rooms are allowed', async () => {
  const allowed = [
    ['src/dataplane/dataplane.ts', '../libbpf/index.js'],
    ['src/cli/commands/status.ts', '../../control/index.js'],
    ['src/cli/commands/status.ts', '../terminal/format.js'],
    ['src/bench/program/program.ts', '../../libbpf/index.js'],
    ['src/model/error.ts', './address.js'],
    ['src/inspect/find.ts', '../libbpf/index.js'],
    ['src/cli/commands/map/map.ts', '../../../inspect/index.js'],
    ['src/director/daemon.ts', '../control/server.js'],
  ];
  for (const [file, target] of allowed) {
    assert.deepEqual(await importErrors(file!, `import '${target!}';\n`), []);
  }
});
