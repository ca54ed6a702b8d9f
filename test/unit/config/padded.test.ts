/** Tests of texts with brackets in a configuration that is written. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatConfig } from '../../../src/config/write.js';
import { parseConfig } from '../../../src/config/parse.js';

test('a text that looks like a list with spaces inside is written as it is', () => {
  for (const text of ['[ 0', 'a [ b ] c', 'x ]', '[ 1, 2 ]']) {
    const file = `interfaces: [ens3]
services:
  - address: 192.168.1.100
    port: 80
    health: { checks: { type: exec, command: [/bin/check, ${JSON.stringify(text)}] } }
    realServers: [192.168.1.31]
`;
    const model = parseConfig(file, 'f');
    assert.deepEqual(parseConfig(formatConfig(model), 'new'), model, text);
  }
  assert.match(formatConfig(parseConfig('interfaces: [ens3, ens4]\n', 'f')), /^interfaces: \[ens3, ens4\]$/m);
});
