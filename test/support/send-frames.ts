/** Sends a frame by an interface again and again. Arguments: interface, frame in hex, how often, milliseconds between. */

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import { PacketSocket } from '../../src/native/index.js';

const [name = '', hex = '', count = '1', pauseMs = '0'] = process.argv.slice(2);

using socket = new PacketSocket();
const [link] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', name], { encoding: 'utf8' })) as {
  ifindex: number;
}[];
for (let i = 0; i < Number(count); i += 1) {
  socket.send(link!.ifindex, Buffer.from(hex, 'hex'));
  await sleep(Number(pauseMs));
}
