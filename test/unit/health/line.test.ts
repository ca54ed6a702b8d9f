/** Tests of the line: a wire that fails ends no daemon, and leaves nothing behind. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Line, type OpenWire } from '../../../src/health/engine/line.js';

const RANGE = { first: 61_000, last: 61_100 };
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Failing {
  open?: boolean;
  close?: boolean;
  follow?: boolean;
  onOpen?: boolean;
  onLost?: boolean;
}

function lineOf(failing: Failing): { line: Line; troubles: string[]; counts: { opened: number; closed: number } } {
  const counts = { opened: 0, closed: 0 };
  const troubles: string[] = [];
  const fail = (what: keyof Failing): void => {
    if (failing[what] === true) {
      throw new Error(what);
    }
  };
  const wire = {
    portsInUse: undefined,
    follow: () => {
      fail('follow');
      return [];
    },
    close: () => {
      counts.closed += 1;
      fail('close');
    },
  } as unknown as OpenWire;
  const line = new Line({
    open: () => {
      counts.opened += 1;
      fail('open');
      return Promise.resolve(wire);
    },
    onResults: () => undefined,
    onOpen: () => {
      fail('onOpen');
    },
    onLost: () => {
      fail('onLost');
    },
    onTrouble: (message, details) => {
      troubles.push(`${message}: ${JSON.stringify(details)}`);
    },
  });
  return { line, troubles, counts };
}

test('whatever a wire throws is told, ends no process, and the wire is closed', async () => {
  for (const what of ['close', 'follow', 'onOpen', 'onLost'] as const) {
    const { line, troubles, counts } = lineOf({ [what]: true });
    line.want(RANGE);
    await line.settled();
    line.want(undefined);
    await line.settled();
    assert.equal(line.wire, undefined, what);
    assert.equal(counts.closed, 1, what);
    assert.equal(troubles.length, 1, what);
    assert.match(troubles[0]!, new RegExp(what));
    await line.close();
  }
});

test('a wire that is wanted again at any moment of its end is opened', async () => {
  for (let moment = 0; moment < 8; moment += 1) {
    const { line } = lineOf({});
    line.want(RANGE);
    await line.settled();
    line.want(undefined);
    for (let i = 0; i < moment; i += 1) {
      await Promise.resolve();
    }
    line.want(RANGE);
    await soon();
    assert.notEqual(line.wire, undefined, String(moment));
    await line.close();
  }
});

test('a wire that failed is tried again later, unless nothing is wanted any more', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    for (const what of ['open', 'follow'] as const) {
      const failing: Failing = { [what]: true };
      const { line, counts } = lineOf(failing);
      line.want(RANGE);
      await line.settled();
      failing[what] = false;
      mock.timers.tick(10_001);
      await line.settled();
      assert.deepEqual([counts.opened, line.wire !== undefined], [2, true], what);
      await line.close();
    }
    const { line, counts } = lineOf({ open: true });
    line.want(RANGE);
    line.want(undefined);
    await line.settled();
    await soon();
    mock.timers.tick(60_000);
    await line.settled();
    assert.equal(counts.opened, 1);
  } finally {
    mock.timers.reset();
  }
});
