/** Completion on a terminal, in each of the shells. */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { ControlServer } from '../../src/control/index.js';
import { type Shell, SHELLS } from '../../src/usage/index.js';
import { fakeDaemon } from '../support/fake-daemon.js';
import { Terminal } from '../support/terminal.js';

const MAIN = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const INSTANCE = `completion-${process.pid}`;

/** Without anybody's own settings; the prompt says when the shell waits for keys. */
const START: Readonly<Record<Shell, string>> = {
  bash: 'bash --norc --noprofile -i',
  zsh: 'zsh -f -i',
  fish: 'fish --no-config -i',
};
const PREPARE: Readonly<Record<Shell, string>> = {
  bash: 'PS1="ready> "; bind "set enable-bracketed-paste off"; source <(beeline completion bash)',
  zsh: 'PS1="ready> "; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D; source <(beeline completion zsh)',
  fish: 'function fish_prompt; echo "ready> "; end; beeline completion fish | source',
};

let folder: string;
let daemon: ControlServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beeline-shell-'));
  // Completes as Beeline does, and otherwise shows what it was called with.
  const script = `#!/bin/sh
case $1 in
  __complete | completion) exec "${process.execPath}" "${MAIN}" "$@" ;;
esac
printf 'ran:'
printf ' <%s>' "$@"
echo
`;
  writeFileSync(join(folder, 'beeline'), script);
  chmodSync(join(folder, 'beeline'), 0o755);
  writeFileSync(join(folder, 'two words.yaml'), '');
  daemon = await fakeDaemon(INSTANCE);
});

after(async () => {
  await daemon.close();
  rmSync(folder, { recursive: true });
});

/** A typed line, with a tab where a word is completed, and the words that the command then gets. */
const CASES: readonly (readonly [typed: string, got: string])[] = [
  ['beeline rel\t', '<reload>'],
  ['beeline lab ex\t', '<lab> <exec>'],
  ['beeline help dr\t', '<help> <drain>'],
  ['beeline flows --su\t', '<flows> <--summary>'],
  ['beeline flows --state EST\t', '<flows> <--state> <ESTABLISHED>'],
  ['beeline run --log-level=deb\t', '<run> <--log-level=debug>'],
  ['beeline run --log-level deb\t', '<run> <--log-level> <debug>'],
  ['beeline bench forward --ipvs u\t', '<bench> <forward> <--ipvs> <uml>'],
  ['beeline lab exec director printen\tHOME', '<lab> <exec> <director> <printenv> <HOME>'],
  ['beeline lab exec director cat tw\t', '<lab> <exec> <director> <cat> <two words.yaml>'],
  ['beeline check tw\t', '<check> <two words.yaml>'],
  ['beeline drain tcp/192.168.1.100:\t', '<drain> <tcp/192.168.1.100:80>'],
  ['beeline drain t\t', '<drain> <tcp/192.168.1.100:80>'],
  ['beeline drain 192\t', '<drain> <192.168.1.100:80>'],
  ['beeline drain u\t', '<drain> <udp/[fd00::100]:53>'],
  ['beeline drain "tcp 192.1\t', '<drain> <tcp 192.168.1.100:80>'],
  ['beeline drain udp/\\[fd00::1\t', '<drain> <udp/[fd00::100]:53>'],
  ["beeline drain 'udp [fd\t", '<drain> <udp [fd00::100]:53>'],
  ['beeline drain t\t192.168.1.32\t', '<drain> <tcp/192.168.1.100:80> <192.168.1.32>'],
  ['beeline drain tcp/192.168.1.100:80 192.168.1.31', '<drain> <tcp/192.168.1.100:80> <192.168.1.31>'],
  ['beeline drain u\tfd\t', '<drain> <udp/[fd00::100]:53> <fd00::31>'],
  ['beeline flows --server=fd\t', '<flows> <--server=fd00::31>'],
  ['beeline flows --client \t', '<flows> <--client> <192.168.1.12>'],
  [`beeline list --instance ${INSTANCE.slice(0, -1)}\t`, `<list> <--instance> <${INSTANCE}>`],
  ['beeline nonsense --wh\t', '<nonsense> <--wh>'],
];

for (const shell of SHELLS) {
  describe(shell, () => {
    let terminal: Terminal;

    before(async () => {
      terminal = new Terminal(`cd ${folder} && exec ${START[shell]}`, {
        PATH: `${folder}:${process.env['PATH'] ?? ''}`,
        TERM: 'dumb',
        BEELINE_INSTANCE: INSTANCE,
        HOME: folder,
      });
      terminal.type(`${PREPARE[shell]}\n`);
      await terminal.until(/^ready> /m, 0);
    });

    after(() => terminal.close());

    for (const [typed, got] of CASES) {
      test(`${JSON.stringify(typed)} runs ${got}`, async () => {
        for (const piece of typed.split(/(?<=\t)/)) {
          terminal.type(piece);
        }
        const from = terminal.shown.length;
        terminal.type('\n');
        const ran = await terminal.until(/ran:.*?(?=\r?\n)/, from);
        assert.equal(ran, `ran: ${got}`);
      });
    }
  });
}
