/** The steps of a recording: commands and frames to a guest with IPVS, and what is written of its answers. */

import type { IpvsGuest } from './ipvs-guest.js';
import { describeFrame, frameFrom } from './wire-text.js';

/** As many frames as the guest's card has room for. */
const AT_ONCE = 32;

/**
 * Takes a step of a recording, or of a draft of one, and returns what is recorded of it. "$ " is a command whose output
 * is recorded, "! " a command that prepares something, "> " a frame, "~ COUNT " a frame that is sent from as many ports
 * (its "%d") and whose way is not recorded, "#" a remark. All other lines are recorded again.
 */
export async function recordStep(guest: IpvsGuest, line: string): Promise<string[]> {
  switch (line[0]) {
    case '#':
      return [line];
    case '!':
      await guest.run(`{ ${line.slice(1)}; } 2>/dev/null`);
      return [line];
    case '$': {
      const { output, status } = await guest.run(`(${line.slice(1)}) 2>&1 </dev/null`);
      return [line, ...(output === '' ? [] : [output.replace(/\n$/, '')]), `[exit ${status}]`];
    }
    case '>': {
      const frames = line.slice(2).split(' | ').map(frameFrom);
      const sent = await guest.send(...frames);
      // IPv6 fragments leave with a random id.
      return [line, ...sent.map((frame) => `< ${describeFrame(frame).replace(/ id=\d{4,}$/, ' id=another')}`)];
    }
    case '~': {
      const [, count, frame] = /^~ (\d+) (.*)$/.exec(line)!;
      const frames = Array.from({ length: Number(count) }, (_, i) => frameFrom(frame!.replace('%d', String(1000 + i))));
      for (let i = 0; i < frames.length; i += AT_ONCE) {
        await guest.send(...frames.slice(i, i + AT_ONCE));
      }
      return [line];
    }
    default:
      return [];
  }
}
