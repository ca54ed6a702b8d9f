/** Completion within ipvsadm's command lines: what the command allows, and no more. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { type Next, nextWord } from '../../../src/ipvsadm/completion.js';
import { COMMANDS, WORDS } from '../../../src/ipvsadm/options.js';

/** The answer at the end of a line; its last word is to be completed. */
function after(line: string): Next {
  const words = line.split(' ');
  return nextWord(words.slice(0, -1), words.at(-1)!);
}

function values(line: string): string {
  const next = after(line);
  return next.kind === 'words' ? next.words.map(({ value }) => value).join(' ') : next.kind;
}

test('commands come first, then the options that the command allows and that are not given yet', () => {
  assert.equal(values(''), '-A -E -D -C -L -Z -a -e -d --set -h -v -R -S');
  assert.equal(values('-A '), '-t -u -f -s -p -M -o -b');
  assert.equal(values('-A -u 192.168.1.100:53 -s rr '), '-p -M -o -b');
  assert.equal(values('--add-server --tcp-service=192.168.1.100:80 --r'), values('-at 192.168.1.100:80 --r'));
  assert.equal(values('-a -t 192.168.1.100:80 -r 192.168.1.31 '), '-g -w -x -y');
  assert.equal(
    values('-Ln '),
    '-t -u -f -c --timeout --daemon --stats --rate --thresholds --persistent-conn --nosort -X',
  );
  assert.equal(values('-C '), '');
  assert.equal(values('--set 900 '), '');
});

test('values are those of the option before, however it is spelled', () => {
  for (const [line, next] of [
    ['-A -t ', { kind: 'service', of: 'tcp' }],
    ['-D --udp-service ', { kind: 'service', of: 'udp' }],
    ['-Lf ', { kind: 'service', of: 'mark' }],
    ['-a -t 192.168.1.100:80 -r ', { kind: 'real-server', service: 'tcp 192.168.1.100:80' }],
    ['-du 192.168.1.100:53 -r 192', { kind: 'real-server', service: 'udp 192.168.1.100:53' }],
    ['-e -f7 --real-server ', { kind: 'real-server', service: 'fwm 7' }],
    ['-d -r ', { kind: 'real-server', service: undefined }],
  ] as const) {
    assert.deepEqual(after(line), next, line);
  }
  assert.match(values('-A -s '), /^maglev rr wrr/);
  assert.match(values('-A -b '), /^sh-port/);
  for (const line of ['-a -w ', '-A -M ', '-E --l-threshold ', '--start-daemon ']) {
    assert.equal(values(line), '', line);
  }
});

test('any line has an answer', () => {
  for (const { long, short } of WORDS) {
    for (const word of [`--${long}`, `--${long}=1`, `-${short ?? 'q'}`, `-n${short ?? ''}1`]) {
      for (const current of ['', '-', '--', 'x']) {
        assert.ok(nextWord([word], current).kind, word);
      }
    }
  }
  assert.equal(COMMANDS.length, 14);
  assert.equal(values('-- x - --- '), values(''));
});
