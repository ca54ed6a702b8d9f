/** Which room may import which: the lint rule is there, and says no. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ESLint } from 'eslint';

async function importErrors(file: string, source: string): Promise<string[]> {
  const [result] = await new ESLint().lintText(source, { filePath: file });
  return result!.messages.filter(({ ruleId }) => ruleId === 'no-restricted-imports').map(({ message }) => message);
}

test('rooms that must not know each other are kept apart', async () => {
  const forbidden = [
    ['src/model/error.ts', '../dataplane/index.js'],
    ['src/schedule/ring.ts', '../model/index.js'],
    ['src/cli/status.ts', '../libbpf/index.js'],
    ['src/cli/status.ts', '../dataplane/index.js'],
    ['src/cli/map.ts', '../libbpf/index.js'],
    ['src/maps/find.ts', '../director/instance.js'],
    ['src/director/daemon.ts', '../maps/index.js'],
    ['src/director/daemon.ts', '../libbpf/index.js'],
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

test('rooms that need each other may', async () => {
  const allowed = [
    ['src/dataplane/map-set.ts', '../libbpf/index.js'],
    ['src/cli/status.ts', '../control/client.js'],
    ['src/bench/program.ts', '../libbpf/index.js'],
    ['src/cli/ipvsadm.ts', '../ipvsadm/tool.js'],
    ['src/model/error.ts', './address.js'],
    ['src/maps/find.ts', '../libbpf/index.js'],
    ['src/maps/find.ts', '../dataplane/index.js'],
    ['src/cli/map.ts', '../maps/index.js'],
  ];
  for (const [file, target] of allowed) {
    assert.deepEqual(await importErrors(file!, `import '${target!}';\n`), []);
  }
});
