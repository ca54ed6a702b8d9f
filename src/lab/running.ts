/** What runs on the hosts of a lab, whoever started it: a shell, a web server of a tutorial, keepalived. */

import { readFileSync } from 'node:fs';

import { run } from './command.js';
import type { Lab } from './lab.js';
import { type ProcessIdentity, processOf } from './process.js';
import { hostsOf } from './topology.js';

export interface Running extends ProcessIdentity {
  /** The program's name (/proc/PID/comm). */
  readonly program: string;
}

export async function runningIn(lab: Lab): Promise<Running[]> {
  const there = await run('ip', ['netns', 'list']);
  const namespaces = hostsOf(true, true)
    .map(({ name }) => lab.namespace(name))
    .filter((each) => there.split('\n').some((line) => line.split(' ')[0] === each));
  const lists = await Promise.all(namespaces.map((each) => run('ip', ['netns', 'pids', each])));
  return lists
    .flatMap((list) => list.split('\n'))
    .filter((pid) => pid !== '')
    .map((pid) => ({ ...processOf(Number(pid)), program: programOf(pid) }));
}

function programOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    // It has ended meanwhile.
    return '?';
  }
}
